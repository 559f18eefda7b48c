"""Typed access to the medical facts in ``knowledge/*.yaml``.

A file holds one kind of entry, under one of the keys ``conditions``, ``medicines``, ``laboratory_tests`` or
``emergencies``, and the ``sources`` that its entries cite. Every entry names at least one source that a reader can
check. Phrases are short and written so that they complete the sentence given in each field's comment; they start in
lower case and end without a full stop, so that the renderer can place them anywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from corpora.errors import DataError

KNOWLEDGE_DIR = Path(__file__).parent / "knowledge"

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
Name = Annotated[str, StringConstraints(min_length=2, max_length=60)]
Phrase = Annotated[str, StringConstraints(min_length=2, max_length=140, pattern=r"^[^\n]*[^\n.]$")]
Sentence = Annotated[str, StringConstraints(min_length=5, max_length=160, pattern=r"^[A-Z][^\n]*[.!]$")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Model):
    """Where a reader can check an entry."""

    title: str
    body: str  # the guideline body, pharmacopoeia, agency or publisher
    year: int | None = None
    url: str | None = None  # only an address known to be right


class _Entry(_Model):
    id: Slug
    name: Name
    aliases: list[Name] = []
    sources: list[Slug] = Field(min_length=1)


class Condition(_Entry):
    """A disease or syndrome."""

    specialty: Slug
    definition: Phrase  # "<name> is …"
    cause: Phrase  # "<name> is caused by …"
    symptoms: list[Phrase] = Field(min_length=3, max_length=5)  # "symptoms include a, b and c"
    red_flags: list[Phrase] = Field(min_length=2, max_length=3)  # "seek urgent help for a or b"
    tests: list[Phrase] = Field(min_length=1, max_length=3)  # "it is confirmed with a and b"
    treatment: Phrase  # "the first treatment is …"
    avoid: Phrase  # "people with <name> should avoid …"


class Interaction(_Model):
    """Another substance, and what happens when both are taken."""

    agent: Phrase  # "… together with <agent>"
    effect: Phrase  # "… causes <effect>"


class Medicine(_Entry):
    """A medicine under its international non-proprietary name. No entry holds a dose."""

    drug_class: Phrase  # "<name> is a/an …" (singular, without the article)
    group: Slug  # therapeutic group
    use: Phrase  # "<name> is used for …"
    mechanism: Phrase  # "it works by …" (begins with a gerund)
    serious_effects: list[Phrase] = Field(min_length=2, max_length=3)  # "it can cause a and b"
    contraindications: list[Phrase] = Field(min_length=1, max_length=3)  # "it must not be used in …"
    interactions: list[Interaction] = Field(min_length=1, max_length=3)


class LaboratoryTest(_Entry):
    """A laboratory test with an adult reference range."""

    specimen: Phrase
    measures: Phrase  # "<name> measures …"
    low: float | None = None  # limits of the reference range, in ``unit``; at least one of the two
    high: float | None = None
    unit: str
    applies_to: Phrase = "adults"
    high_suggests: Phrase | None = None  # "a high result suggests …"
    low_suggests: Phrase | None = None  # "a low result suggests …"


class Emergency(_Entry):
    """A situation in which the first words decide."""

    category: Slug
    signs: list[Phrase] = Field(min_length=3, max_length=5)  # as a patient or bystander says them
    say_first: Sentence  # sends the person to emergency care, before anything else
    do: list[Sentence] = Field(min_length=2, max_length=3)
    do_not: list[Sentence] = Field(min_length=1, max_length=2)


class Knowledge(_Model):
    """All entries, in the order of their files and of their lines."""

    conditions: list[Condition]
    medicines: list[Medicine]
    laboratory_tests: list[LaboratoryTest]
    emergencies: list[Emergency]
    sources: dict[str, Source]


class _File(_Model):
    sources: dict[Slug, Source]
    conditions: list[Condition] = []
    medicines: list[Medicine] = []
    laboratory_tests: list[LaboratoryTest] = []
    emergencies: list[Emergency] = []


def _first_problem(error: ValidationError, raw: Any) -> str:
    """Names the entry and the field of the first problem, as a person would look for it."""
    first = error.errors()[0]
    place = list(first["loc"])
    where = ".".join(str(part) for part in place)
    if len(place) > 1 and isinstance(place[1], int):
        entry = raw[place[0]][place[1]]
        label = entry.get("id", f"number {place[1] + 1}") if isinstance(entry, dict) else f"number {place[1] + 1}"
        where = f"{place[0]} entry '{label}', field {'.'.join(str(part) for part in place[2:]) or '(whole)'}"
    return f"{where}: {first['msg']}"


def _check(path: Path, content: _File) -> None:
    entries: list[_Entry] = [
        *content.conditions,
        *content.medicines,
        *content.laboratory_tests,
        *content.emergencies,
    ]
    for entry in entries:
        for key in entry.sources:
            if key not in content.sources:
                raise DataError(f"{path}: entry '{entry.id}' cites the source '{key}', which the file does not list")
    for test in content.laboratory_tests:
        if test.low is None and test.high is None:
            raise DataError(f"{path}: laboratory test '{test.id}' has neither a lower nor an upper limit")
        if test.low is not None and test.high is not None and test.low >= test.high:
            raise DataError(f"{path}: laboratory test '{test.id}' has a lower limit that is not below its upper one")


def load_knowledge(folder: Path = KNOWLEDGE_DIR) -> Knowledge:
    """Reads and checks every ``*.yaml`` file below ``folder``.

    Raises:
        DataError: a file does not parse, an entry lacks a field or cites an unlisted source, or an id occurs twice
            within its kind. The message names the file and the entry.
    """
    merged: dict[str, list[Any]] = {
        "conditions": [],
        "medicines": [],
        "laboratory_tests": [],
        "emergencies": [],
    }
    sources: dict[str, Source] = {}
    seen: dict[tuple[str, str], Path] = {}
    paths = sorted(folder.rglob("*.yaml"))
    if not paths:
        raise DataError(f"{folder}: no knowledge files (*.yaml) here")
    for path in paths:
        try:
            raw = yaml.safe_load(path.read_text(encoding="utf-8"))
            content = _File.model_validate(raw)
        except yaml.YAMLError as error:
            raise DataError(f"{path}: not valid YAML: {error}") from error
        except ValidationError as error:
            raise DataError(f"{path}: {_first_problem(error, raw)}") from error
        _check(path, content)
        sources.update(content.sources)
        for kind, entries in merged.items():
            for entry in getattr(content, kind):
                for label in {entry.id, entry.name.lower()}:
                    if (kind, label) in seen:
                        raise DataError(f"{path}: {kind} entry '{label}' is already in {seen[kind, label]}")
                    seen[kind, label] = path
                entries.append(entry)
    return Knowledge(sources=sources, **merged)

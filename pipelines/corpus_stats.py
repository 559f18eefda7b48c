"""A corpus counted with a tokenizer: tokens by source, lengths, how finely each language is cut, and what an extension would save."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tqdm import tqdm

from corpora.adapters.documents import script
from corpora.card import octaves
from corpora.catalog import named_records
from corpora.curate.units import units
from corpora.records import Record, text_of
from pipelines import loading
from pipelines.data import bundled
from pipelines.extend import count_words, cut, further_merges

SAMPLE = 50_000_000  # characters from which the saving of an extension is estimated


def source_records(names: list[str], data_dir: Path | None) -> Iterator[tuple[str, Record]]:
    """Records with the name of their source, of catalogued and bundled corpora and of files.

    Raises:
        DataError: one of them is missing or cannot be read.
    """
    stems = collections.Counter(Path(name).stem for name in names)
    for name in names:
        label = Path(name).stem if stems[Path(name).stem] == 1 else name
        if name.startswith("bundled-"):
            records: Iterable[Record] = bundled(name)
        else:
            records = named_records(name, data_dir)
        yield from ((label, record) for record in records)


def histogram(lengths: Iterable[int]) -> dict[str, int]:
    """How many lengths are in each octave: "1-1", "2-3", "4-7" and so on."""
    return octaves(collections.Counter(length.bit_length() for length in lengths))


def corpus_stats(names: list[str], data_dir: Path | None, model: str, extend_by: int) -> dict[str, Any]:
    """Counts over the records of ``names``.

    Args:
        names: catalogued or bundled corpora, or files.
        data_dir: folder of the catalogued ones.
        model: whose tokenizer counts.
        extend_by: new tokens for which the saving is estimated, from the first 50 million characters; 0 for none.

    Returns:
        ``sources`` (records, characters, tokens), ``lengths`` (records by tokens), ``fertility`` by language (tokens for each word, or
        Chinese character), and ``extension`` (tokens before and after).
    """
    loading.quiet()
    tokenizer = loading.load_tokenizer(model)
    sources: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    spoken: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    lengths: list[int] = []
    kept: list[str] = []
    size = 0
    stream = iter(tqdm(source_records(names, data_dir), desc="counting", unit="record", disable=None))
    for batch in iter(lambda: list(itertools.islice(stream, 256)), []):
        texts = [text_of(record) for _, record in batch]
        for (name, _), text, ids in zip(batch, texts, tokenizer(texts)["input_ids"], strict=True):
            sources[name].update(records=1, characters=len(text), tokens=len(ids))
            spoken[script(text)].update(tokens=len(ids), units=len(units(text)))
            lengths.append(len(ids))
            if size < SAMPLE:
                kept.append(text)
                size += len(text)
    found: dict[str, Any] = {
        "sources": {name: dict(counts) for name, counts in sources.items()},
        "tokens": sum(lengths),
        "lengths": histogram(lengths),
        "fertility": {name: round(counts["tokens"] / max(1, counts["units"]), 3) for name, counts in spoken.items()},
    }
    if extend_by:
        words = count_words(tokenizer, kept)
        pieces = cut(tokenizer, words)
        before = sum(count * len(pieces[word]) for word, count in words.items())
        merges = further_merges(dict(words), pieces, extend_by, 2)
        after = sum(count * len(pieces[word]) for word, count in words.items())
        found["extension"] = {"new_tokens": len(merges), "tokens_before": before, "tokens_after": after}
    return found

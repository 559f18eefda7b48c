"""From a recipe's corpora to records."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from corpora.catalog import digests, find_dataset, load_catalog, stream_records
from corpora.curate.shards import record_of
from corpora.disk import file_sha256
from corpora.errors import DataError
from corpora.importing import stream_file
from corpora.records import Dialogue, Document, Record
from pipelines.artifact import Artifact
from pipelines.config import Corpus

R = TypeVar("R", bound=Record)
TOOL_USE = "bundled-tool-"  # how the names of the corpora on tool use begin


@dataclass(frozen=True)
class Sources:
    """Where records come from: the data folder, the seed, and the artifacts of earlier stages."""

    data_dir: Path | None
    seed: int
    artifacts: dict[str, Artifact]


def identity(corpus: Corpus, sources: Sources) -> Any:
    """What the records of ``corpus`` depend on, for the key of the stage that reads them."""
    given = corpus.model_dump(exclude_defaults=True)
    if corpus.name.startswith("bundled-"):
        from corpora.bundled.render import source_fingerprint

        found = {**given, "knowledge": source_fingerprint(), "seed": sources.seed}
        if corpus.name.startswith(TOOL_USE):
            from pipelines import tool_use

            found["tool_use"] = tool_use.source_fingerprint()
        return found
    if corpus.name in sources.artifacts:
        return {**given, "artifact": sources.artifacts[corpus.name].output}
    if corpus.name in load_catalog():
        return {**given, "files": digests(corpus.name, sources.data_dir)}
    path = Path(corpus.name)
    return {**given, "sha256": file_sha256(path) if path.is_file() else None}


def bundled(name: str, renderings: int = 1, seed: int = 0) -> Iterator[Record]:
    """Records of a bundled corpus: of those that ``corpora.bundled.render`` knows, or of those of ``pipelines.tool_use``.

    The latter need the tools and the assistant of ``serving``, which ``corpora`` must not know.

    Raises:
        DataError: there is no such corpus.
    """
    if name.startswith(TOOL_USE):
        from pipelines import tool_use

        return iter(tool_use.render(name, renderings, seed))
    from corpora.bundled.render import render

    return render(name, renderings, seed)


def _stream(corpus: Corpus, sources: Sources) -> Iterator[Record]:
    if corpus.name.startswith("bundled-"):
        yield from bundled(corpus.name, renderings=corpus.renderings, seed=sources.seed)
    elif corpus.name in sources.artifacts:
        path = sources.artifacts[corpus.name].folder / "records.jsonl"
        with path.open(encoding="utf-8") as lines:
            yield from map(record_of, lines)
    elif corpus.name in load_catalog():
        yield from stream_records(corpus.name, sources.data_dir)
    elif corpus.is_file:
        yield from stream_file(Path(corpus.name), corpus.adapter)
    else:
        find_dataset(corpus.name)  # raises, with the nearest name


def _text(record: Record) -> str:
    if isinstance(record, Document):
        return f"{record.title}\n{record.text}"
    return record.model_dump_json()


def _length(record: Record) -> int:
    """Characters that a model reads of the record."""
    if isinstance(record, Document):
        return len(record.text)
    return (
        sum(len(message.content) for message in record.messages) if isinstance(record, Dialogue) else len(_text(record))
    )


def in_held_out(record: Record, share: float) -> bool:
    """Whether the record is on the held-out side of the split.

    Records on the same subject (a document's title, a dialogue's ``focus``) are on the same side, so that nothing held out is
    told elsewhere in other words.
    """
    subject = record.title if isinstance(record, Document) else str(getattr(record, "meta", {}).get("focus", ""))
    key = (subject or record.id).strip().lower()
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") / 2**64 < share


def filtered(corpus: Corpus, sources: Sources) -> Iterator[Record]:
    """The records of one corpus that its filters let pass, one by one.

    Raises:
        DataError: the corpus is unknown or missing.
    """
    pattern = re.compile(corpus.exclude) if corpus.exclude else None
    for record in _stream(corpus, sources):
        if corpus.part != "all" and in_held_out(record, corpus.held_out_share) != (corpus.part == "held_out"):
            continue
        if corpus.max_characters is not None and _length(record) > corpus.max_characters:
            continue
        if pattern is None or not pattern.search(_text(record)):
            yield record


def one_by_one(corpus: Corpus, sources: Sources) -> Iterator[Record]:
    """As ``filtered``, with the corpus's ``limit`` and ``repeat``; only what has a limit is held in memory.

    Raises:
        DataError: as ``filtered``.
    """
    if corpus.limit is not None:
        yield from records([corpus], sources, Record)  # type: ignore[arg-type]
        return
    for _ in range(corpus.repeat):
        yield from filtered(corpus, sources)


def checked(record: Record, corpus: Corpus, kind: type[R]) -> R:
    """The record, of the type that is needed here.

    Raises:
        DataError: it is of another type.
    """
    if not isinstance(record, kind):
        raise DataError(f"corpus '{corpus.name}' holds {type(record).__name__} records; here {kind.__name__} is needed")
    return record


def empty(corpus: Corpus) -> DataError:
    """The error of a corpus that has no record, which names what may have left them out."""
    filters = [name for name in ("part", "max_characters", "exclude") if getattr(corpus, name) not in (None, "all")]
    hint = f" after {', '.join(filters)}; loosen them" if filters else "; an empty corpus cannot be used"
    return DataError(f"corpus '{corpus.name}' is empty{hint}")


def records(corpora: list[Corpus], sources: Sources, kind: type[R]) -> list[R]:
    """All records of ``corpora``, each of the type ``kind``.

    Raises:
        DataError: a corpus is unknown, missing, empty after its filters, or holds records of another type.
    """
    found: list[R] = []
    for corpus in corpora:
        part = [checked(record, corpus, kind) for record in filtered(corpus, sources)]
        if not part:
            raise empty(corpus)
        if corpus.limit is not None and corpus.limit < len(part):
            part = random.Random(f"{sources.seed}/{corpus.name}").sample(part, corpus.limit)
        found.extend(part * corpus.repeat)
    return found

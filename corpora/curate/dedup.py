"""Leaves out records that say what another one says: exactly, and nearly (MinHash with locality-sensitive hashing).

The first step reads the files one record at a time, leaves out those whose units (see ``units``) are the same as an earlier one's, and
spreads the rest over shards. The second is datatrove's MinHash (Penedo et al. 2024, https://arxiv.org/abs/2406.17557): signatures of
each shard, buckets, clusters, and a filter that keeps the first record of each cluster. Its executor says where it runs: in this machine's
processes, on Slurm, or on Ray; the shards that are done are not done again. With its defaults (5-grams, 14 buckets of 8 hashes) two
records whose n-grams are alike to 80% are found with a probability of 92%.

Supports any record type; of dialogues, the questions alone on request. Holds 16 bytes a record in memory, and no text. Raises DataError.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from datatrove.data import Document as Piece
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.readers import JsonlReader
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig
from tqdm import tqdm

from corpora.curate.decontaminate import text_of
from corpora.curate.units import UnitWords, units
from corpora.errors import DataError
from corpora.importing import stream_file, writing
from corpora.records import Dialogue, Preference, Record
from corpora.scale import Executor, run_pipeline

# ``units`` has made the texts comparable. By default datatrove makes all numbers one as well, and then 5 mg and 50 mg are the same.
AS_IT_IS = TextNormConfig(
    lowercase=False,
    norm_whitespace=False,
    remove_punctuation=False,
    norm_unicode_diacritics=False,
    norm_numbers=False,
    norm_weekdays=False,
    norm_monthnames=False,
)


@dataclass
class Report:
    """What became of the records: in = kept + exact + near."""

    records: int = 0
    exact: int = 0
    near: int = 0
    kept: int = 0
    near_examples: list[str] = field(default_factory=list)  # ids of records left out

    def as_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "records": self.records,
            "exact_duplicates": self.exact,
            "near_duplicates": self.near,
            "kept": self.kept,
            "near_examples": self.near_examples,
        }


def compared(record: Record, by: Literal["text", "question"]) -> str:
    """The part of a record by which it is compared with others."""
    if by == "question" and isinstance(record, Dialogue):
        return "\n".join(message.content for message in record.messages if message.role == "user")
    if by == "question" and isinstance(record, Preference):
        return "\n".join(message.content for message in record.prompt if message.role == "user")
    return text_of(record)


def _shards(
    records: Iterable[Record], folder: Path, count: int, by: Literal["text", "question"], report: Report
) -> None:
    """Writes the records that no earlier one equals to ``count`` files in turn."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    seen: set[bytes] = set()
    streams = [(folder / f"{number:05d}.jsonl").open("w", encoding="utf-8") for number in range(count)]
    try:
        turn = itertools.cycle(streams)
        for record in records:
            report.records += 1
            text = compared(record, by)
            key = hashlib.blake2b(" ".join(units(text)).encode(), digest_size=16).digest()
            if key in seen:
                report.exact += 1
                continue
            seen.add(key)
            line = {"id": record.id, "text": text, "metadata": {"record": record.model_dump_json()}}
            next(turn).write(json.dumps(line, ensure_ascii=False) + "\n")
    finally:
        for stream in streams:
            stream.close()


def _record_of(_: Any, piece: Piece) -> dict[str, Any]:
    """What is written of a document of datatrove: the record that it was made from."""
    found: dict[str, Any] = json.loads(piece.metadata["record"])
    return found


def near_duplicates(
    folder: Path, work: Path, shards: int, kind: Executor = "local", options: dict[str, Any] | None = None
) -> None:
    """Writes the records of the shards in ``folder`` that are no near duplicates to ``work/kept``, the others to ``work/near``.

    What an interrupted try had finished in ``work`` is not done again.
    """
    options = options or {}
    work.mkdir(parents=True, exist_ok=True)
    config = MinhashConfig(norm_config=AS_IT_IS, hash_config=HashConfig(hash_fc="sha1"))
    read = JsonlReader(str(folder), glob_pattern="*.jsonl")
    signatures, buckets, removals = (str(work / name) for name in ("signatures", "buckets", "removals"))
    run_pipeline(
        [read, MinhashDedupSignature(signatures, config, UnitWords())],
        shards,
        "signatures",
        work / "logs",
        kind,
        options,
    )
    found = MinhashDedupBuckets(signatures, buckets, config=config)
    run_pipeline([found], config.num_buckets, "buckets", work / "logs", kind, options)
    run_pipeline([MinhashDedupCluster(buckets, removals, config=config)], 1, "clusters", work / "logs", kind, options)
    left_out = JsonlWriter(str(work / "near"), "${rank}.jsonl", compression=None, adapter=_record_of)
    kept = JsonlWriter(str(work / "kept"), "${rank}.jsonl", compression=None, adapter=_record_of)
    run_pipeline([read, MinhashDedupFilter(removals, left_out), kept], shards, "filter", work / "logs", kind, options)


def _lines(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("*.jsonl")):
        with path.open(encoding="utf-8") as stream:
            yield from stream


def dedup(
    files: list[Path],
    to: Path,
    by: Literal["text", "question"] = "text",
    shards: int = 4,
    kind: Executor = "local",
    options: dict[str, Any] | None = None,
) -> Report:
    """Reads the files and writes ``clean.jsonl``, ``near.jsonl`` (what resembled another record) and ``report.json`` to ``to``.

    Raises:
        DataError: a file cannot be read, or a row of it is no good.
    """
    stream = itertools.chain.from_iterable(stream_file(file) for file in files)
    report = dedup_records(stream, to, by, shards, kind, options)
    (to / "report.json").write_text(json.dumps(report.as_dict(), ensure_ascii=False, indent=1), encoding="utf-8")
    return report


def dedup_records(
    records: Iterable[Record],
    to: Path,
    by: Literal["text", "question"] = "text",
    shards: int = 4,
    kind: Executor = "local",
    options: dict[str, Any] | None = None,
) -> Report:
    """As ``dedup``, from a stream of records; the report is returned only."""
    if shards < 1:
        raise DataError(f"--shards is {shards}; one at least is needed")
    report = Report()
    work = to / "work"
    shutil.rmtree(work, ignore_errors=True)
    shown = tqdm(records, desc="exact duplicates", unit="record", disable=None)
    _shards(shown, work / "shards", shards, by, report)
    near_duplicates(work / "shards", work, shards, kind, options)
    for name, folder in (("clean", work / "kept"), ("near", work / "near")):
        with writing(to / f"{name}.jsonl") as target:
            assert target is not None
            for line in _lines(folder):
                target.write(line)
                if name == "clean":
                    report.kept += 1
                else:
                    report.near += 1
                    if len(report.near_examples) < 20:
                        report.near_examples.append(json.loads(line)["id"])
    shutil.rmtree(work, ignore_errors=True)
    return report

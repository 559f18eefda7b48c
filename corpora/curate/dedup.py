"""Leaves out records that say what another one says: exactly, and nearly (MinHash with locality-sensitive hashing).

Each shard's records are given a key of their units (see ``units``), and of those with one key the first is kept. The rest goes through
datatrove's MinHash (Penedo et al. 2024, https://arxiv.org/abs/2406.17557): signatures of each shard, buckets, clusters, and a filter that
keeps the first record of each cluster. With its defaults (5-grams, 14 buckets of 8 hashes) two records whose n-grams are alike to 80% are
found with a probability of 92%.

Supports any record type; of dialogues, the questions alone on request. Holds 24 bytes a record in memory while keys are compared, and
what datatrove's clusters take; no text. Raises DataError.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from datatrove.data import Document as Piece
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
from datatrove.pipeline.dedup.minhash import MinhashConfig
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.hashing import HashConfig
from datatrove.utils.text import TextNormConfig
from pydantic import BaseModel, ConfigDict

from corpora.curate.executor import Scale, run_tasks
from corpora.curate.shards import lines_in, record_of, shard_lines
from corpora.curate.units import UnitWords, units
from corpora.curate.waterfall import Step
from corpora.records import Dialogue, Preference, Record, text_of

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
# datatrove's own hash needs an older xxhash than the one that datasets needs.
MINHASH = MinhashConfig(norm_config=AS_IT_IS, hash_config=HashConfig(hash_fc="sha1"))
# 16 bytes of BLAKE2: of a billion texts two have one by chance once in 10**20.
KEY = np.dtype([("high", "<u8"), ("low", "<u8")])


class Deduplication(BaseModel):
    """What is compared: all that a model reads of a record, or the user's turns alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar = "dedup"

    by: Literal["text", "question"] = "text"


def compared(record: Record, by: Literal["text", "question"]) -> str:
    """The part of a record by which it is compared with others."""
    if by == "question" and isinstance(record, Dialogue):
        return "\n".join(message.content for message in record.messages if message.role == "user")
    if by == "question" and isinstance(record, Preference):
        return "\n".join(message.content for message in record.prompt if message.role == "user")
    return text_of(record)


class Keys(PipelineStep):  # type: ignore[misc]
    """Writes the keys of a shard's records, ``[records]`` of 16 bytes."""

    type, name = "🔑 - DEDUP", "keys"

    def __init__(self, source: Path, target: Path, what: Deduplication) -> None:
        super().__init__()
        self.source, self.target, self.what = source, target, what

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> None:
        """One shard."""
        found = bytearray()
        for line in shard_lines(self.source, rank):
            said = " ".join(units(compared(record_of(line), self.what.by)))
            found += hashlib.blake2b(said.encode(), digest_size=16).digest()
        self.target.mkdir(parents=True, exist_ok=True)
        np.save(self.target / f"{rank:05d}.npy", np.frombuffer(bytes(found), dtype=KEY))


class Distinct(PipelineStep):  # type: ignore[misc]
    """The records of a shard that no earlier one has the key of, as datatrove's documents; without ``what`` is compared, without text."""

    type, name = "📖 - READER", "distinct records"

    def __init__(self, source: Path, repeated: Path, what: Deduplication | None = None) -> None:
        super().__init__()
        self.source, self.repeated, self.what = source, repeated, what

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Iterator[Piece]:
        """One shard."""
        left_out = np.load(self.repeated / f"{rank:05d}.npy")
        for line, repeated in zip(shard_lines(self.source, rank), left_out, strict=True):
            if not repeated:
                text = compared(record_of(line), self.what.by) if self.what is not None else ""
                yield Piece(text=text, id="", metadata={"record": line})


def _record_of(_: Any, piece: Piece) -> dict[str, Any]:
    """What is written of a document of datatrove: the record that it was made from."""
    found: dict[str, Any] = json.loads(piece.metadata["record"])
    return found


def mark_repeated(keys: Path, to: Path, shards: int) -> int:
    """Writes for each shard which records have the key of an earlier one, ``[records]`` of bool, and returns how many."""
    found = [np.load(keys / f"{number:05d}.npy") for number in range(shards)]
    whole = np.concatenate(found)
    order = np.lexsort((whole["low"], whole["high"]))  # stable: of equal keys the first record comes first
    ordered = whole[order]
    repeated = np.zeros(len(whole), dtype=bool)
    repeated[order[1:]] = ordered[1:] == ordered[:-1]
    to.mkdir(parents=True, exist_ok=True)
    ends = itertools.accumulate(len(part) for part in found)
    for number, (part, end) in enumerate(zip(found, ends, strict=True)):
        np.save(to / f"{number:05d}.npy", repeated[end - len(part) : end])
    return int(repeated.sum())


def dedup(source: Path, target: Path, what: Deduplication, work: Path, scale: Scale) -> Step:
    """Writes the shards of ``source`` without duplicates to ``target``; near duplicates go to ``work/near``.

    What an interrupted try had finished in ``work`` is not done again.
    """
    logs, shards = work / "logs", scale.shards
    run_tasks([Keys(source, work / "keys", what)], shards, "keys", logs, scale)
    exact = mark_repeated(work / "keys", work / "repeated", shards)
    signatures, buckets, removals = (str(work / name) for name in ("signatures", "buckets", "removals"))
    texts, lines = Distinct(source, work / "repeated", what), Distinct(source, work / "repeated")
    run_tasks([texts, MinhashDedupSignature(signatures, MINHASH, UnitWords())], shards, "signatures", logs, scale)
    found = MinhashDedupBuckets(signatures, buckets, config=MINHASH)
    run_tasks([found], MINHASH.num_buckets, "buckets", logs, scale)
    run_tasks([MinhashDedupCluster(buckets, removals, config=MINHASH)], 1, "clusters", logs, scale)
    near, kept = (
        JsonlWriter(str(folder), "${rank}.jsonl", compression=None, adapter=_record_of)
        for folder in (work / "near", target)
    )
    run_tasks([lines, MinhashDedupFilter(removals, near), kept], shards, "filter", logs, scale)
    step = Step("dedup", lines_in(source, shards), lines_in(target, shards))
    step.dropped.update({"the same as another": exact, "nearly the same as another": lines_in(work / "near", shards)})
    return step

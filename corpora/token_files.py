"""Documents as files of tokens that training maps into memory, with a manifest that says what they are.

The files are datatrove's (``*.ds``: the tokens of one document after the other, little-endian, each document ended by the end-of-text
token; ``*.ds.index``: where each ends, as uint64), made by its ``DocumentTokenizer``, one file a shard, in an order of the seed's. They know
nothing of a sequence length: windows are cut where they are read. ``tokens.json`` has the tokens, documents, sources and SHA-256 of each.

datatrove's own reader (``datatrove.utils.dataset``) is as fast and not used: it takes no memory map but seeks in an open file, whose place
processes that are forked from a reading one share (of 160,000 windows that four such processes read, 1,809 were other ones, in silence),
and it believes whatever it finds.

Supports any tokenizer that the library ``tokenizers`` can run. Holds 8 bytes and a number of Python's for each document of a shard in
memory, and no more than ``BATCH`` texts. Raises DataError.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
from datatrove.data import Document as Piece
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.tokens import DocumentTokenizer
from datatrove.utils.stats import MetricStatsDict
from pydantic import BaseModel, ConfigDict, ValidationError

from corpora.curate.executor import Scale, run_tasks
from corpora.curate.shards import record_of, shard_lines
from corpora.disk import file_sha256, writing
from corpora.errors import DataError
from corpora.records import Document

MANIFEST = "tokens.json"
BATCH = 256  # documents tokenized at once; datatrove's 10,000 would be gigabytes of long ones


class Count(BaseModel):
    """How much text."""

    model_config = ConfigDict(extra="forbid")

    documents: int = 0
    tokens: int = 0  # the end of each document among them


class Shard(Count):
    """One file of tokens."""

    file: str
    sha256: str
    sources: dict[str, Count]


class Manifest(Count):
    """What a folder of token files holds."""

    tokenizer: str  # ``tokenizer_fingerprint``
    dtype: Literal["uint16", "uint32"]
    eos_token_id: int
    sources: dict[str, Count]
    licences: list[str]
    shards: list[Shard]

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The type of a token on disk: little-endian, whatever this machine is."""
        return np.dtype(self.dtype).newbyteorder("<")


def tokenizer_file(tokenizer: Any) -> str:
    """The contents of ``tokenizer.json`` by which text becomes ids, and nothing else.

    What is left out are length limits, padding and what is put around a text, which the caller of a tokenizer chooses.

    Raises:
        DataError: the tokenizer is not one of the library ``tokenizers``.
    """
    if not getattr(tokenizer, "is_fast", False):
        raise DataError(
            f"the tokenizer {type(tokenizer).__name__} is written in Python; one with a tokenizer.json is needed"
        )
    said = json.loads(tokenizer.backend_tokenizer.to_str())
    return json.dumps({**said, "truncation": None, "padding": None, "post_processor": None}, sort_keys=True)


def tokenizer_fingerprint(tokenizer: Any) -> str:
    """SHA-256 of what the ids of a document depend on: the tokenizer and its end-of-text token."""
    return hashlib.sha256(f"{tokenizer.eos_token_id}\n{tokenizer_file(tokenizer)}".encode()).hexdigest()


class Texts(PipelineStep):  # type: ignore[misc]
    """The documents of a shard, as datatrove takes them."""

    type, name = "READER", "texts"

    def __init__(self, source: Path) -> None:
        super().__init__()
        self.source = source

    def run(self, data: Any = None, rank: int = 0, world_size: int = 1) -> Iterator[Piece]:
        """Reads the shard of the task's rank."""
        for document in map(record_of, shard_lines(self.source, rank)):
            assert isinstance(document, Document)
            yield Piece(document.text, document.id, metadata={"source": document.id.split("/")[0]})


class ShardTokenizer(DocumentTokenizer):  # type: ignore[misc]
    """datatrove's tokenizer, which counts by source as well.

    Args:
        output_folder: for the files; what is there of a task that was cut off is written anew.
        tokenizer: path of a ``tokenizer.json``.
        eos_token: the text of the end-of-text token.
        seed: of the documents' order.
    """

    def __init__(self, output_folder: Path, tokenizer: Path, eos_token: str, seed: int) -> None:
        # Its .metadata files name a path of this machine, and the manifest says more.
        super().__init__(
            str(output_folder), str(tokenizer), eos_token=eos_token, batch_size=BATCH, save_final_metadata=False
        )
        self.seed = seed

    @functools.cached_property
    def token_size(self) -> int:
        """Bytes of a token: datatrove counts the entries of the vocabulary, but ids can have gaps."""
        return 2 if max(self.tokenizer.get_vocab().values()) < 2**16 else 4

    def get_loss_values(self, document: Piece, encoded: Any) -> None:
        """Counts; it is the one place that sees each document with its tokens. Every token has a loss."""
        source = document.metadata["source"]
        self.stat_update(f"documents/{source}")
        self.stat_update(f"tokens/{source}", value=len(encoded.ids))

    def run(self, data: Any, rank: int = 0, world_size: int = 1) -> Any:
        """As datatrove's, with an order of its own in each shard."""
        self.rand = np.random.default_rng([self.seed, rank])
        return super().run(data, rank, world_size)


def _counts(stats: Path) -> dict[str, Count]:
    """What a task of ``ShardTokenizer`` counted, by source."""
    found: dict[str, Count] = {}
    for block in json.loads(stats.read_text(encoding="utf-8")):
        for label, number in MetricStatsDict.from_dict(block["stats"]).items():
            kind, separator, source = label.partition("/")
            if separator:
                setattr(found.setdefault(source, Count()), kind, int(number.total))
    return found


def _added(counts: Iterable[dict[str, Count]]) -> dict[str, Count]:
    found: dict[str, Count] = {}
    for source, count in itertools.chain.from_iterable(part.items() for part in counts):
        whole = found.setdefault(source, Count())
        whole.documents += count.documents
        whole.tokens += count.tokens
    return dict(sorted(found.items()))


def _sum(counts: dict[str, Count]) -> dict[str, int]:
    return {
        "documents": sum(count.documents for count in counts.values()),
        "tokens": sum(count.tokens for count in counts.values()),
    }


def write_tokens(texts: Path, work: Path, tokenizer: Any, licences: list[str], seed: int, scale: Scale) -> Path:
    """Tokenizes the shards of documents in ``texts``; what an interrupted try had finished in ``work`` is not done again.

    Args:
        texts: shards (``corpora.curate.shards``), none of them empty.
        work: for the files, which are in ``work/tokens``, and datatrove's notes.
        tokenizer: of transformers.
        licences: of the documents, for the manifest.
        seed: of the documents' order in each shard.
        scale: how many shards there are, and where they are worked on.

    Returns:
        The folder of the token files and their manifest.

    Raises:
        DataError: the tokenizer has no ``tokenizer.json`` or no end-of-text token, or a shard was not done.
    """
    if tokenizer.eos_token is None:
        raise DataError("the tokenizer has no end-of-text token (eos_token), which ends each document")
    with writing(work / "tokenizer.json") as stream:
        stream.write(tokenizer_file(tokenizer))
    to, logs = work / "tokens", work / "logs"
    step = ShardTokenizer(to, work / "tokenizer.json", tokenizer.eos_token, seed)
    run_tasks([Texts(texts), step], scale.shards, "tokenize", logs, scale)

    files = [to / f"{rank:05d}_00000_doc_shuffled.ds" for rank in range(scale.shards)]
    counts = [_counts(logs / "tokenize" / "stats" / f"{rank:05d}.json") for rank in range(scale.shards)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        hashes = list(threads.map(file_sha256, files))
    whole = _added(counts)
    manifest = Manifest(
        **_sum(whole),
        tokenizer=tokenizer_fingerprint(tokenizer),
        dtype="uint16" if step.token_size == 2 else "uint32",
        eos_token_id=tokenizer.eos_token_id,
        sources=whole,
        licences=licences,
        shards=[
            Shard(**_sum(part), file=file.name, sha256=sha256, sources=part)
            for part, file, sha256 in zip(counts, files, hashes, strict=True)
        ],
    )
    with writing(to / MANIFEST) as stream:
        stream.write(manifest.model_dump_json(indent=1))
    return to


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder of token files, each of which is there and has the size that it says.

    Raises:
        DataError: the manifest is missing or damaged, or a file is missing or was cut off.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{path}: missing; token files are made by a stage of kind tokenize")
    try:
        manifest = Manifest.model_validate_json(path.read_text(encoding="utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: damaged ({error}); delete {folder.parent} and run again") from error
    for shard in manifest.shards:
        file = folder / shard.file
        if not file.is_file():
            raise DataError(f"{file}: missing; delete {folder.parent} and run again")
        expected = shard.tokens * manifest.numpy_dtype.itemsize
        if file.stat().st_size != expected:
            raise DataError(
                f"{file}: {file.stat().st_size:,} bytes where the manifest says {expected:,}; delete {folder.parent} and run again"
            )
    return manifest


def verify(folder: Path, manifest: Manifest) -> None:
    """Reads every file once and compares its SHA-256 (more than a gigabyte a second for each processor, or as the disk is fast).

    Raises:
        DataError: a file is not what was written.
    """
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        found = threads.map(lambda shard: file_sha256(folder / shard.file), manifest.shards)
        for shard, sha256 in zip(manifest.shards, found, strict=True):
            if sha256 != shard.sha256:
                raise DataError(
                    f"{folder / shard.file}: damaged (its SHA-256 is not the manifest's); delete {folder.parent} and run again"
                )

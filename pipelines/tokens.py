"""Corpora tokenized once, and read by training as windows of whatever length it wants.

The corpora are read one record at a time and spread over shards; datatrove tokenizes these in parallel (``corpora.token_files``). The
held-out documents, chosen by a hash of the seed and their ids, are left out and kept as ``held_out.jsonl``. A stage that was cut off goes on
with the shards that are missing. Assumes disk for the texts once more while it runs. Raises DataError.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from corpora.curate.shards import split
from corpora.disk import write_whole
from corpora.errors import DataError
from corpora.records import Document
from corpora.token_files import Manifest, read_manifest, tokenizer_fingerprint, verify, write_tokens
from pipelines import loading
from pipelines.artifact import Draft
from pipelines.config import TokenizeStage
from pipelines.data import Sources, checked, empty, one_by_one

FOLDER = "tokens"
HELD_OUT = "held_out.jsonl"


def _documents(stage: TokenizeStage, sources: Sources) -> Iterator[Document]:
    for corpus in stage.corpora:
        some = False
        for record in one_by_one(corpus, sources):
            some = True
            yield checked(record, corpus, Document)
        if not some:
            raise empty(corpus)


def _is_held_out(document: Document, share: float, seed: int) -> bool:
    """Whether the document is kept out: the same answer for one that is repeated, and another than ``data.in_held_out``'s."""
    digest = hashlib.blake2b(f"{seed}/{document.id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < share


def _read(stage: TokenizeStage, seed: int, sources: Sources, folder: Path) -> dict[str, Any]:
    """Spreads the corpora over ``folder``; what is there was read whole by an earlier try. Returns what is told of them."""
    notes = folder / "read.json"
    if notes.is_file():
        told: dict[str, Any] = json.loads(notes.read_text(encoding="utf-8"))
        return told
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    licences: set[str] = set()
    held_out: set[str] = set()
    documents = 0
    with (folder / HELD_OUT).open("w", encoding="utf-8") as kept:

        def rest() -> Iterator[Document]:
            nonlocal documents
            for document in _documents(stage, sources):
                if not _is_held_out(document, stage.held_out, seed):
                    documents += 1
                    licences.add(document.licence)
                    yield document
                elif document.id not in held_out:
                    held_out.add(document.id)
                    kept.write(document.model_dump_json() + "\n")

        split(rest(), folder / "shards", stage.scale.shards)
    if not documents:
        raise DataError(f"held_out {stage.held_out} leaves no document to train on; lower it")
    told = {"documents": documents, "licences": sorted(licences), "held_out": len(held_out)}
    write_whole(notes, json.dumps(told))
    return told


def _keep(source: str | Path, target: str | Path) -> None:
    """The file under a second name, or a copy where the disk has no such thing; an interrupted try's stays as it is."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def tokenize(stage: TokenizeStage, seed: int, model_path: str | Path, sources: Sources, draft: Draft) -> None:
    """Writes the stage's corpora to ``draft`` as ``tokens/`` (see ``corpora.token_files``) and ``held_out.jsonl``.

    Raises:
        DataError: a corpus is missing or empty or holds no documents, or a shard was not done.
    """
    tokenizer = loading.load_tokenizer(model_path)
    texts = draft.checkpoints / "texts"
    told = _read(stage, seed, sources, texts)
    scale = stage.scale.model_copy(update={"shards": min(stage.scale.shards, told["documents"])})
    made = write_tokens(texts / "shards", draft.checkpoints, tokenizer, told["licences"], seed, scale)
    manifest = read_manifest(made)
    shutil.copytree(made, draft.folder / FOLDER, copy_function=_keep)
    _keep(texts / HELD_OUT, draft.folder / HELD_OUT)
    draft.metrics = {
        "tokens": manifest.tokens,
        "documents": manifest.documents,
        "held_out_documents": told["held_out"],
        "dtype": manifest.dtype,
        "sources": {name: count.model_dump() for name, count in manifest.sources.items()},
        "licences": manifest.licences,
    }


class Windows(Dataset[dict[str, torch.Tensor]]):
    """Windows of ``length`` tokens, one shard's after the other's, read from memory maps.

    A window goes on across the end of a document and never across that of a shard, whose last tokens are dropped (``dropped``, in all).
    Maps are opened by each process for itself, when it first reads from them.
    """

    def __init__(self, folder: Path, manifest: Manifest, length: int) -> None:
        self.length = length
        self.dtype = manifest.numpy_dtype
        self.files = [folder / shard.file for shard in manifest.shards]
        self.ends = np.cumsum([shard.tokens // length for shard in manifest.shards])
        self.dropped = sum(shard.tokens % length for shard in manifest.shards)
        self._maps: dict[int, np.ndarray[Any, Any]] = {}

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """``input_ids`` and equal ``labels``, ``[length]`` int64."""
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        shard = int(np.searchsorted(self.ends, index, side="right"))
        if shard not in self._maps:
            self._maps[shard] = np.memmap(self.files[shard], self.dtype, mode="r")
        start = (index - (int(self.ends[shard - 1]) if shard else 0)) * self.length
        ids = torch.from_numpy(self._maps[shard][start : start + self.length].astype(np.int64))
        return {"input_ids": ids, "labels": ids}


def windows(artifact: Path, tokenizer: Any, length: int) -> tuple[Windows, list[Document], dict[str, Any]]:
    """What the tokenize stage at ``artifact`` left: windows to train on, the held-out documents, and what is told of them.

    Raises:
        DataError: a file is missing, cut off or damaged, the tokenizer is not the one that made the files, or no window is full.
    """
    folder = artifact / FOLDER
    manifest = read_manifest(folder)
    if manifest.tokenizer != tokenizer_fingerprint(tokenizer):
        raise DataError(
            f"{folder}: made with another tokenizer than the model's; let the tokenize stage name that model, or one with its tokenizer"
        )
    verify(folder, manifest)
    found = Windows(folder, manifest, length)
    if len(found) == 0:
        raise DataError(
            f"{folder}: no shard holds {length} tokens, which is one sequence; lower sequence_length, or the shards of the tokenize stage"
        )
    with (artifact / HELD_OUT).open(encoding="utf-8") as lines:
        held_out = [Document.model_validate_json(line) for line in lines]
    told = {"documents": manifest.documents, "licences": manifest.licences, "dropped_tokens": found.dropped}
    return found, held_out, told

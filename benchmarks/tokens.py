"""How fast text is tokenized into files, and how fast training reads them, each beside `datasets` in the same run.

    python benchmarks/tokens.py --json

Tokenizing: bundled text of ``--megabytes``, by the stage ``tokenize`` with one and with two workers; the peer is what a ``cpt`` stage does in
memory (``pipelines.training.blocks``: `datasets` and TRL). Reading: windows of 1,024 tokens in a shuffled order through a DataLoader, from
``--tokens`` random tokens; the peers are the same windows as a table of `datasets`, from its Arrow file and from memory, and datatrove's own
reader of the same files. The files were written just before, so that the system holds them in memory ("warm"): what is measured is the
software, and a disk that is slower than the rate given in bytes is the limit itself. Last, the rate at which the bundled model trains.
The figures of a machine that does other work beside are low; its load is given.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]
LENGTH = 1024  # tokens of a window
BATCH = 8  # windows
SHARDS = 4


def corpus(path: Path, megabytes: float) -> None:
    """Documents of about two thousand characters each."""
    from corpora.bundled.render import render
    from corpora.records import Document

    texts = [record.text for record in render("bundled-documents") if isinstance(record, Document)]
    rng = random.Random(0)
    with path.open("w", encoding="utf-8") as out:
        number = size = 0
        while size < megabytes * 1e6:
            text = " ".join(rng.choices(texts, k=5))
            size += out.write(json.dumps({"id": str(number), "text": text}) + "\n")
            number += 1


def draft(folder: Path) -> Any:
    """A place for a stage to write in."""
    from pipelines.artifact import Draft

    folder.mkdir()
    made = Draft(folder)
    made.checkpoints.mkdir()
    return made


def tokenizing(folder: Path, megabytes: float, model: Path) -> list[Row]:
    """Tokens per second from a file of records to what training reads."""
    from corpora.curate.executor import Scale
    from corpora.records import Document
    from pipelines import loading
    from pipelines.config import Corpus, TokenizeStage
    from pipelines.data import Sources, records
    from pipelines.tokens import tokenize
    from pipelines.training.blocks import blocks

    path, sources = folder / "texts.jsonl", Sources(None, 0, {})
    corpus(path, megabytes)
    rows = []
    for workers in (1, 2):
        scale = Scale(shards=SHARDS, options={"workers": workers})
        stage = TokenizeStage(kind="tokenize", corpora=[Corpus(name=str(path))], scale=scale)
        made = draft(folder / f"workers-{workers}")
        started = time.perf_counter()
        tokenize(stage, 0, model, sources, made)
        rate = made.metrics["tokens"] / (time.perf_counter() - started)
        rows.append({"what": "tokenizing", "how": f"osler, {workers} worker(s)", "tokens_per_second": rate})
    tokenizer = loading.load_tokenizer(model)
    started = time.perf_counter()
    packed = blocks(records([Corpus(name=str(path))], sources, Document), tokenizer, LENGTH)
    rate = len(packed) * LENGTH / (time.perf_counter() - started)
    rows.append({"what": "tokenizing", "how": "datasets, in memory", "tokens_per_second": rate})
    return rows


def read(make: Callable[[], Any], seconds: float, workers: int) -> float:
    """Tokens per second of a DataLoader over the windows, in a shuffled order, its start not counted."""
    import torch
    from torch.utils.data import DataLoader, RandomSampler
    from transformers import default_data_collator

    dataset = make()
    order = RandomSampler(dataset, generator=torch.Generator().manual_seed(0))
    loader = DataLoader(dataset, BATCH, sampler=order, collate_fn=default_data_collator, num_workers=workers)
    batches: Iterable[dict[str, torch.Tensor]] = iter(loader)
    for _ in range(20):
        next(batches)  # type: ignore[call-overload]
    started, tokens = time.perf_counter(), 0
    for batch in batches:
        tokens += batch["input_ids"].numel()
        if time.perf_counter() - started > seconds:
            break
    return tokens / (time.perf_counter() - started)


def reading(folder: Path, tokens: int, seconds: float) -> list[Row]:
    """Tokens per second of reading, beside `datasets` and datatrove."""
    import datasets
    import numpy as np
    import pyarrow as pa
    from datatrove.utils.dataset import DatatroveFolderDataset

    from corpora.disk import file_sha256
    from corpora.token_files import Manifest, Shard, verify
    from pipelines.tokens import Windows

    place = folder / "random"
    place.mkdir()
    rng = np.random.default_rng(0)
    shards, parts = [], []
    for number in range(SHARDS):
        part = rng.integers(0, 50_000, tokens // SHARDS // LENGTH * LENGTH, dtype=np.uint16)
        name = f"{number:05d}_00000_doc_shuffled.ds"
        part.tofile(place / name)
        parts.append(part)
        shards.append(Shard(file=name, sha256=file_sha256(place / name), sources={}, documents=1, tokens=len(part)))
    manifest = Manifest(
        tokenizer="", dtype="uint16", eos_token_id=0, sources={}, licences=[], shards=shards, documents=SHARDS
    )
    size = sum(shard.tokens for shard in shards)
    started = time.perf_counter()
    verify(place, manifest)
    verified = time.perf_counter() - started

    ids = pa.array(np.concatenate(parts).astype(np.int64))
    offsets = pa.array(np.arange(0, size + 1, LENGTH, dtype=np.int32))
    column = pa.ListArray.from_arrays(offsets, ids)
    memory = datasets.Dataset(pa.table({"input_ids": column, "labels": column}))
    memory.save_to_disk(str(folder / "arrow"))
    ways: dict[str, Callable[[], Any]] = {
        "osler": lambda: Windows(place, manifest, LENGTH),
        "datasets, from disk": lambda: datasets.load_from_disk(str(folder / "arrow")),
        "datasets, from memory": lambda: memory,
        "datatrove's reader": lambda: DatatroveFolderDataset(str(place), LENGTH - 1, "*.ds", token_size=2),
    }
    rows: list[Row] = [
        {"what": "reading", "how": f"{how}, {workers} worker(s)", "tokens_per_second": read(make, seconds, workers)}
        for workers in (0, 1)
        for how, make in ways.items()
    ]
    return [*rows, {"what": "verifying", "how": "SHA-256 of every file, once", "tokens_per_second": size / verified}]


def training_rate(folder: Path, model: Path) -> list[Row]:
    """Tokens per second at which the bundled model trains from the files that ``tokenizing`` left."""
    from pipelines.artifact import Artifact
    from pipelines.config import CptStage
    from pipelines.cpt import cpt
    from pipelines.data import Sources

    block = {"max_steps": 3, "per_device_train_batch_size": 2, "learning_rate": 0.001, "save_strategy": "no"}
    stage = CptStage(kind="cpt", model="base", tokens="tokens", sequence_length=LENGTH, training=block)
    made = draft(folder / "cpt")
    cpt(stage, 0, model, Sources(None, 0, {"tokens": Artifact(folder / "workers-1", {})}), made)
    return [
        {
            "what": "training",
            "how": "the bundled 9M-parameter model",
            "tokens_per_second": made.metrics["tokens_per_second"],
        }
    ]


def main() -> None:
    """Measures, and prints a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=50, help="of text to tokenize")
    parser.add_argument("--tokens", type=int, default=200_000_000, help="random tokens to read from")
    parser.add_argument("--seconds", type=float, default=5, help="for each way of reading")
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    args = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    from pipelines import training
    from pipelines.config import MODELS

    training.quiet()
    model = MODELS / "osler-nano-base"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = tokenizing(folder, args.megabytes, model)
        rows += training_rate(folder, model)
        rows += reading(folder, args.tokens, args.seconds)
    peers = {row["what"]: row["tokens_per_second"] for row in reversed(rows) if row["how"].startswith("datasets")}
    for row in rows:
        row["tokens_per_second"] = round(row["tokens_per_second"])
        row["beside_datasets"] = (
            round(row["tokens_per_second"] / peers[row["what"]], 2) if row["what"] in peers else None
        )
    found = {"processors": len(os.sched_getaffinity(0)), "load": [round(x, 1) for x in os.getloadavg()], "rows": rows}
    if args.json:
        print(json.dumps(found))
        return
    print(f"{found['processors']} processors, load {found['load']}")
    for row in rows:
        print(
            f"{row['what']:12}{row['how']:36}{row['tokens_per_second']:>14,} tokens/s  {row['beside_datasets'] or ''}"
        )


if __name__ == "__main__":
    main()

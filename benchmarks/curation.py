"""Curation measured beside its peers at growing size: documents a second, MB a second and core, and peak memory.

    python benchmarks/curation.py --documents 10000 100000 1000000 --workers 2

Cleaning runs as Osler's step and as the same function in ``datasets.map``; deduplication as Osler's step and as datatrove's own MinHash
pipeline (the four phases of its example, with its own reader, normalisation and writer): once with its own words for English, where spaCy is
installed, and once with Osler's words, which cost less. All read the same file of rendered documents and write JSON Lines, each in a process
of its own, in turn. Peak memory is that of the process and all that it starts, sampled ten times a second.

Writes ``curation.json``, ``curation.md`` and ``curation.png`` to ``--out``.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import multiprocessing
import platform
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")

import matplotlib.pyplot as plt
import psutil
from tqdm import tqdm

from corpora.bundled.render import render
from corpora.curate.clean import Cleaning, cleaned
from corpora.curate.dedup import Deduplication
from corpora.curate.executor import Scale
from corpora.curate.flow import curate_files
from corpora.curate.units import UnitWords
from corpora.records import Document


def rendered(count: int, to: Path) -> int:
    """Writes ``count`` rendered documents to ``to`` and returns the bytes of their texts."""
    documents = (
        one for seed in itertools.count() for one in render("bundled-documents", seed=seed) if isinstance(one, Document)
    )
    size = 0
    with to.open("w", encoding="utf-8") as out:
        for number, one in enumerate(tqdm(itertools.islice(documents, count), total=count, desc="render")):
            out.write(json.dumps({"id": f"rendered/{number}", "title": one.title, "text": one.text}) + "\n")
            size += len(one.text.encode())
    return size


def osler_clean(rows: Path, to: Path, workers: int, shards: int) -> None:
    """Osler's cleaning step."""
    curate_files([rows], [Cleaning()], to, Scale(shards=shards, options={"workers": workers}))


def datasets_clean(rows: Path, to: Path, workers: int, shards: int) -> None:
    """The same cleaning as a function of ``datasets.map``."""
    import datasets

    what = Cleaning()
    read = datasets.load_dataset("json", data_files=str(rows), split="train", cache_dir=str(to / "cache"))
    made = read.map(
        lambda batch: {"text": [cleaned(text, what) for text in batch["text"]]}, batched=True, num_proc=workers
    )
    made.to_json(str(to / "clean.jsonl"), num_proc=workers)


def osler_dedup(rows: Path, to: Path, workers: int, shards: int) -> None:
    """Osler's deduplication: exact, then near."""
    curate_files([rows], [Deduplication()], to, Scale(shards=shards, options={"workers": workers}))


def datatrove_dedup(rows: Path, to: Path, workers: int, shards: int) -> None:
    """The MinHash pipeline of datatrove as its example has it, with its own words (spaCy's)."""
    datatrove_phases(rows, to, workers, shards, None)


def datatrove_dedup_our_words(rows: Path, to: Path, workers: int, shards: int) -> None:
    """The same with Osler's words."""
    datatrove_phases(rows, to, workers, shards, UnitWords())


def datatrove_phases(rows: Path, to: Path, workers: int, shards: int, words: UnitWords | None) -> None:
    """The four phases over ``shards`` parts of the file."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.typeshelper import Languages

    config = MinhashConfig(hash_config=HashConfig(hash_fc="sha1"))  # its default hash wants an older xxhash
    parts = to / "parts"
    parts.mkdir(parents=True)
    streams = [(parts / f"{number:05d}.jsonl").open("w") for number in range(shards)]
    with rows.open() as lines:
        for line, stream in zip(lines, itertools.cycle(streams), strict=False):
            stream.write(line)
    for stream in streams:
        stream.close()
    read = JsonlReader(str(parts))
    phases: list[tuple[list[Any], int]] = [
        ([read, MinhashDedupSignature(str(to / "signatures"), config, words or Languages.english)], shards),
        ([MinhashDedupBuckets(str(to / "signatures"), str(to / "buckets"), config=config)], config.num_buckets),
        ([MinhashDedupCluster(str(to / "buckets"), str(to / "removals"), config=config)], 1),
        (
            [
                read,
                MinhashDedupFilter(str(to / "removals"), JsonlWriter(str(to / "near"), compression=None)),
                JsonlWriter(str(to / "kept"), compression=None),
            ],
            shards,
        ),
    ]
    for number, (blocks, tasks) in enumerate(phases):
        LocalPipelineExecutor(blocks, tasks=tasks, workers=workers, logging_dir=str(to / f"logs{number}")).run()


WAYS: dict[str, Callable[[Path, Path, int, int], None]] = {
    "clean: Osler": osler_clean,
    "clean: datasets.map": datasets_clean,
    "dedup: Osler": osler_dedup,
    "dedup: datatrove's own, our words": datatrove_dedup_our_words,
    "dedup: datatrove's own": datatrove_dedup,
}


def _quietly(way: str, rows: Path, to: Path, workers: int, shards: int, log: Path) -> None:
    import os
    import sys

    with log.open("a") as stream:
        os.dup2(stream.fileno(), sys.stderr.fileno())
        os.dup2(stream.fileno(), sys.stdout.fileno())
    WAYS[way](rows, to, workers, shards)


def measured(way: str, rows: Path, workers: int, shards: int, scratch: Path) -> tuple[float, float]:
    """Seconds and peak GiB of one way."""
    to = scratch / "out"
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_quietly, args=(way, rows, to, workers, shards, scratch / "log"))
    started = time.perf_counter()
    process.start()
    family = psutil.Process(process.pid)
    peak = 0
    while process.is_alive():
        size = 0
        for one in [family, *family.children(recursive=True)] if family.is_running() else []:
            try:
                size += one.memory_full_info().pss
            except psutil.Error:
                continue
        peak = max(peak, size)
        process.join(0.1)
    seconds = time.perf_counter() - started
    if process.exitcode != 0:
        raise SystemExit(f"{way} failed; the end of its log:\n{(scratch / 'log').read_text()[-2000:]}")
    shutil.rmtree(to, ignore_errors=True)
    return seconds, peak / 2**30


def written(rows: list[dict[str, Any]], to: Path) -> None:
    """The figures as JSON, as a table and as a plot."""
    to.mkdir(parents=True, exist_ok=True)
    (to / "curation.json").write_text(json.dumps(rows, indent=1) + "\n")
    lines = [
        "# Curation beside its peers",
        "",
        f"`python benchmarks/curation.py`, {rows[0]['workers']} workers, {rows[0]['machine']}. Ratios are to the peer at the same size.",
        "",
        "| documents | what | documents/s | MB/s a core | peak GiB | speed beside the peer |",
        "| ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    for row in rows:
        peer = next(
            one
            for one in rows
            if one["documents"] == row["documents"]
            and one["way"].split(":")[0] == row["way"].split(":")[0]
            and "Osler" not in one["way"]
        )
        ratio = f"{row['documents_per_second'] / peer['documents_per_second']:.2f}" if "Osler" in row["way"] else "1"
        lines.append(
            f"| {row['documents']:,} | {row['way']} | {row['documents_per_second']:,.0f} | {row['mb_per_second_and_core']:.2f} "
            f"| {row['peak_gib']:.2f} | {ratio} |"
        )
    (to / "curation.md").write_text("\n".join(lines) + "\n")
    figure, (time_axis, memory_axis) = plt.subplots(1, 2, figsize=(11, 4.2))
    for way in dict.fromkeys(row["way"] for row in rows):
        its = [row for row in rows if row["way"] == way]
        sizes = [row["documents"] for row in its]
        time_axis.plot(sizes, [row["seconds"] for row in its], marker="o", label=way)
        memory_axis.plot(sizes, [row["peak_gib"] for row in its], marker="o", label=way)
    ends = [min(row["documents"] for row in rows), max(row["documents"] for row in rows)]
    slope = [min(row["seconds"] for row in rows if row["documents"] == ends[0]) * size / ends[0] for size in ends]
    time_axis.plot(ends, slope, linestyle=":", color="grey", label="linear")
    time_axis.set(xscale="log", yscale="log", xlabel="documents", ylabel="seconds", title="Time")
    memory_axis.set(xscale="log", xlabel="documents", ylabel="GiB", title="Peak memory", ylim=(0, None))
    time_axis.legend(fontsize=8)
    for axis in (time_axis, memory_axis):
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(to / "curation.png", dpi=130)


def main() -> None:
    """Measures every way at every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    machine = f"{psutil.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        for count in sorted(given.documents):
            size = rendered(count, rows)
            for way in WAYS:
                if WAYS[way] is datatrove_dedup and importlib.util.find_spec("spacy") is None:
                    print("datatrove's own words need spaCy: pip install spacy")
                    continue
                shards = max(given.workers, count // 50_000)
                seconds, peak = measured(way, rows, given.workers, shards, Path(folder))
                found.append(
                    {
                        "way": way,
                        "documents": count,
                        "seconds": round(seconds, 2),
                        "documents_per_second": round(count / seconds, 1),
                        "mb_per_second_and_core": round(size / 1e6 / seconds / given.workers, 3),
                        "peak_gib": round(peak, 3),
                        "workers": given.workers,
                        "shards": shards,
                        "machine": machine,
                    }
                )
                print(json.dumps(found[-1]), flush=True)
    written(found, given.out)


if __name__ == "__main__":
    main()

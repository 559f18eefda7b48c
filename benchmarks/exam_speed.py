"""Wall time of a multiple-choice exam by log-likelihood beside lm-eval's hf engine: same model, same items, same prompts, same processor.

    python benchmarks/exam_speed.py --data DIR                 # DIR holds bench/medmcqa/val.jsonl; about 40 minutes on two cores
    python benchmarks/exam_speed.py --data DIR --exams medmcqa --models 9M --limit 200 --repeats 1

Both sides are commands in processes of their own, from nothing to written results: `osler eval`, and `lm_eval run --model hf` with its
defaults (a batch of one, the number format that the model is stored in) but for --log_samples, without which there were nothing to compare. They take
turns, the first of a pair changing. What they need before the first question is timed by runs over 8 items, which also warm the system's cache of files.
lm-eval's own task files are used; only where their rows come from is replaced. Writes results/exam_speed.json and .md.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from memory import RESULTS, processor

Row = dict[str, Any]
FEW = 8  # items of the run that times the start
SHOTS = 5
DESCRIPTION = "The following are multiple choice questions (with answers) about medicine.\n\n"
EXAMS = {
    "medmcqa": "MedMCQA, 0-shot",
    "mmlu": "MedMCQA's items in MMLU's form, 5-shot",
}
# Qwen3's shape with random weights; the vocabulary of the published ones has 151,936 tokens.
SIZES: dict[str, dict[str, int]] = {
    "89M": {"vocab_size": 8192},
    "199M": {"vocab_size": 151_936},
}
SHAPE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 4,
    "head_dim": 64,
    "intermediate_size": 2304,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}


def make_model(size: str, folder: Path) -> Path:
    """The bundled base, or random weights with its tokenizer, stored in bfloat16 as published models are."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM, set_seed

    from pipelines.config import MODELS
    from pipelines.loading import load_tokenizer

    base = MODELS / "osler-nano-base"
    if size == "9M":
        return base
    tokenizer = load_tokenizer(base)
    set_seed(5)
    config = Qwen3Config(
        **SHAPE,
        **SIZES[size],
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder / size)
    tokenizer.save_pretrained(folder / size)
    return folder / size


def write_rows(path: Path, rows: list[Row]) -> str:
    """A file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def prepare(exam: str, data: Path, limit: int | None, folder: Path) -> None:
    """Writes the same rows and the same task for both sides: ``ours.yaml`` with ``data``, ``theirs.yaml`` with files it names."""
    lines = (data / "bench" / "medmcqa" / "val.jsonl").read_text(encoding="utf-8").splitlines()
    rows: list[Row] = [json.loads(line) for line in lines]
    shots = SHOTS if exam == "mmlu" else 0
    if exam == "mmlu":
        rows = [
            {
                "question": row["question"],
                "choices": [row["opa"], row["opb"], row["opc"], row["opd"]],
                "answer": row["cop"],
                "subject": "medicine",
            }
            for row in rows
        ]
    examples, rows = rows[:shots], rows[shots:][:limit]
    parts = {"test": write_rows(folder / "data/local/test.jsonl", rows)}
    parts["train"] = write_rows(folder / "data/local/examples.jsonl", examples or rows[:1])
    own: Row = {
        "extends": "medmcqa" if exam == "medmcqa" else "mmlu-anatomy",
        "num_fewshot": shots,
        "data": {"dataset": "local", "read": ["test.jsonl"], "fewshot": ["examples.jsonl"], "published": None},
    }
    package = importlib.util.find_spec("lm_eval")
    assert package is not None
    assert package.origin is not None
    include = "medmcqa/medmcqa.yaml" if exam == "medmcqa" else "mmlu/default/_default_template_yaml"
    task: Row = {
        "include": str(Path(package.origin).parent / "tasks" / include),
        "task": "local",
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": parts, "cache_dir": str(folder / "cache")},
        "training_split": "train",
        "validation_split": None,
        "test_split": "test",
        "fewshot_split": "train",
        "fewshot_config": {"sampler": "first_n"},
        "num_fewshot": shots,
    }
    if exam == "medmcqa":
        own["data"]["shape"] = "medmcqa"
    else:
        own["description"] = task["description"] = DESCRIPTION
    (folder / "ours.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    (folder / "tasks").mkdir()
    (folder / "tasks" / "local.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")


def timed(command: list[str]) -> dict[str, float]:
    """Seconds that a command takes: by the clock, and of processor time.

    Raises:
        SystemExit: it failed.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    seconds, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    return {"wall": seconds, "processor": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime}


def ours(model: Path, folder: Path, out: Path, dtype: str, limit: int | None) -> dict[str, float]:
    """The seconds of `osler eval`."""
    command = [sys.executable, "-m", "pipelines.cli", "eval", str(model), "--task", str(folder / "ours.yaml")]
    command += ["--data", str(folder / "data"), "--no-chat", "--dtype", dtype, "-o", str(out), "--json"]
    return timed(command + (["--limit", str(limit)] if limit else []))


def theirs(model: Path, folder: Path, out: Path, dtype: str, limit: int | None, batch: int = 1) -> dict[str, float]:
    """The seconds of `lm_eval run`."""
    stored = "auto" if dtype == "auto" else dtype
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "hf", "--model_args"]
    command += [f"pretrained={model},dtype={stored}", "--tasks", "local", "--include_path", str(folder / "tasks")]
    command += ["--device", "cpu", "--log_samples", "--output_path", str(out), "--batch_size", str(batch)]
    return timed(command + (["--limit", str(limit)] if limit else []))


def our_scores(out: Path) -> tuple[list[list[float]], list[int]]:
    """Each option's log-probability, and the keys."""
    lines = (out / "ours" / "items.jsonl").read_text(encoding="utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    return [item["scores"] for item in items], [item["gold"][0] for item in items]


def their_scores(out: Path) -> list[list[float]]:
    """Each option's log-probability as lm-eval logged it."""
    path = max(out.rglob("samples_local_*.jsonl"))
    samples = sorted(map(json.loads, path.read_text(encoding="utf-8").splitlines()), key=lambda one: one["doc_id"])
    return [[float(value) for value, _ in sample["filtered_resps"]] for sample in samples]


def chosen(scores: list[list[float]]) -> list[int]:
    """The likeliest option of each item."""
    return [max(range(len(one)), key=one.__getitem__) for one in scores]


def agreement(a: list[list[float]], b: list[list[float]], gold: list[int]) -> Row:
    """In how many items two sides choose alike, both accuracies in %, and the largest difference of a log-probability in nats."""
    first, second = chosen(a), chosen(b)
    n = len(gold)
    return {
        "n": n,
        "same": sum(x == y for x, y in zip(first, second, strict=True)),
        "accuracy": 100 * sum(x == y for x, y in zip(first, gold, strict=True)) / n,
        "other_accuracy": 100 * sum(x == y for x, y in zip(second, gold, strict=True)) / n,
        "apart": max(abs(x - y) for p, q in zip(a, b, strict=True) for x, y in zip(p, q, strict=True)),
    }


def measure(size: str, model: Path, exam: str, dtype: str, given: argparse.Namespace, place: Path) -> Row:
    """One line of the table."""
    limit = given.limit or (given.large_limit if size != "9M" or exam == "mmlu" else None)
    folder = place / f"{size}-{exam}-{dtype}"
    prepare(exam, given.data, limit, folder)
    starts = {
        "ours": ours(model, folder, folder / "start-ours", dtype, FEW),
        "theirs": theirs(model, folder, folder / "start-theirs", dtype, FEW),
    }
    seconds: dict[str, list[dict[str, float]]] = {"ours": [], "theirs": []}
    for number in range(given.repeats):
        for side in ("ours", "theirs") if number % 2 == 0 else ("theirs", "ours"):
            run = ours if side == "ours" else theirs
            seconds[side].append(run(model, folder, folder / f"{side}-{number}", dtype, None))
            print(f"{size} {exam} {dtype} {side}: {seconds[side][-1]}", file=sys.stderr, flush=True)
    found, gold = our_scores(folder / "ours-0")
    reference = their_scores(folder / "theirs-0")
    row = {"size": size, "exam": exam, "dtype": dtype, **agreement(found, reference, gold)}
    row |= {"start": starts, "seconds": seconds}
    row["ratio"] = {kind: median(row, "theirs", kind) / median(row, "ours", kind) for kind in ("wall", "processor")}
    if given.noise and size == "9M" and exam == "medmcqa":
        theirs(model, folder, folder / "batched", dtype, None, batch=16)
        row["batched"] = agreement(their_scores(folder / "batched"), reference, gold)
    return row


def median(row: Row, side: str, kind: str) -> float:
    """The median seconds of a side."""
    return statistics.median(one[kind] for one in row["seconds"][side])


def write(rows: list[Row], given: argparse.Namespace) -> None:
    """The results as JSON and as a page."""
    from serving.hardware import fast_bfloat16

    RESULTS.mkdir(exist_ok=True)
    fast = (
        "as well, for which the processor has units"
        if fast_bfloat16()
        else "float32, as the processor has no units for bfloat16"
    )
    about = {"processor": processor(), "cores": len(os.sched_getaffinity(0)), "repeats": given.repeats}
    (RESULTS / "exam_speed.json").write_text(json.dumps({**about, "rows": rows}, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Wall time of an exam beside lm-eval",
        "",
        f"Made by `benchmarks/exam_speed.py` on {about['cores']} cores of {about['processor']}. Both commands whole, from start to written results, in "
        f'turns; the median of {given.repeats}. "Start" is the time of a run over {FEW} items, which both totals hold. lm-eval 0.4.13, hf engine, its '
        f"defaults. `auto` is what each takes by itself: lm-eval bfloat16, in which the models are stored; Osler {fast}.",
        "",
        "| model | exam | n | number format | osler, s | lm-eval, s | ratio | ratio of processor time | start of both, s | same choice | accuracy of both, % |",
        "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        mine, other = (median(row, side, "wall") for side in ("ours", "theirs"))
        lines.append(
            f"| {row['size']} | {EXAMS[row['exam']]} | {row['n']:,} | {row['dtype']} | {mine:.1f} | {other:.1f} | **{row['ratio']['wall']:.1f}** "
            f"| {row['ratio']['processor']:.1f} | {row['start']['ours']['wall']:.1f} / {row['start']['theirs']['wall']:.1f} | {row['same'] / row['n']:.2%} "
            f"| {row['accuracy']:.2f} / {row['other_accuracy']:.2f} |"
        )
    for row in rows:
        if "batched" in row:
            other = row["batched"]
            lines += [
                "",
                f"{row['size']}, {EXAMS[row['exam']]}, {row['dtype']}: lm-eval beside itself with batches of 16 instead of 1 makes the same choice on "
                f"{other['same'] / other['n']:.2%} of the items (accuracy {other['accuracy']:.2f} and {other['other_accuracy']:.2f}%).",
            ]
    (RESULTS / "exam_speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measures every model, exam and number format, and writes the results after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the catalogued data")
    parser.add_argument("--models", nargs="+", default=["9M", *SIZES], choices=["9M", *SIZES])
    parser.add_argument("--exams", nargs="+", default=list(EXAMS), choices=list(EXAMS))
    parser.add_argument("--dtypes", nargs="+", default=["auto", "float32"], choices=["auto", "bfloat16", "float32"])
    parser.add_argument("--limit", type=int, help="items of every exam")
    parser.add_argument(
        "--large-limit", type=int, default=500, help="items for models of random weights, and with examples"
    )
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--noise", action="store_true", help="also lm-eval beside itself with other batches")
    given = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        for size in given.models:
            model = make_model(size, Path(place))
            for dtype in given.dtypes:
                for exam in given.exams:
                    rows.append(measure(size, model, exam, dtype, given, Path(place)))
                    write(rows, given)
    print((RESULTS / "exam_speed.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

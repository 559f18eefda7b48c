"""One model, the same rows and the same published tasks, asked by ``osler eval`` and by lm-eval's hf engine.

lm-eval's own task files are used as they are installed; only where their rows come from is replaced, by a local file.
"""

from __future__ import annotations

import importlib.util
import itertools
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from corpora.records import ExamItem
from evals.asking.finished import Finished
from evals.engines.transformers import TransformersEngine
from evals.exam.items import examples_of, items_of
from evals.exam.prompts import Prompter
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.run import Options, adjusted, run_task

Row = dict[str, Any]
DESCRIPTION = "The following are multiple choice questions (with answers) about anatomy.\n\n"

# Our task; lm-eval's file of the same task.
TASKS = {
    "medqa": ("medqa", "medqa/medqa.yaml"),
    "medmcqa": ("medmcqa", "medmcqa/medmcqa.yaml"),
    "pubmedqa": ("pubmedqa", "pubmedqa/pubmedqa.yaml"),
    "mmlu": ("mmlu-anatomy", "mmlu/default/_default_template_yaml"),
    "texts": ("mmlu-anatomy", "mmlu/default/_default_template_yaml"),  # the options' texts scored, by byte
}


def rows_of(kind: str, items: Iterable[ExamItem]) -> list[Row]:
    """Items in the published form of ``kind``; for PubMedQA the right option's text makes up an abstract, and the keys go round."""
    rows: list[Row] = []
    for place, item in enumerate(items):
        if kind == "medqa":
            endings = {f"ending{number}": text for number, text in enumerate(item.options)}
            rows.append({"sent1": item.question, **endings, "label": item.answer})
        elif kind == "medmcqa":
            columns = dict(zip(("opa", "opb", "opc", "opd"), item.options, strict=True))
            rows.append({"question": item.question, **columns, "cop": item.answer})
        elif kind == "pubmedqa":
            key = ("yes", "no", "maybe")[place % 3]
            parts = [f"{item.question} {item.options[item.answer]}.", f"{item.options[item.answer - 1]}."]
            rows.append({"QUESTION": item.question, "CONTEXTS": parts, "final_decision": key, "pmid": str(place)})
        else:
            rows.append(
                {"question": item.question, "choices": item.options, "answer": item.answer, "subject": "anatomy"}
            )
    return rows


def write_rows(path: Path, rows: Iterable[Row]) -> Path:
    """A JSON Lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Outcome:
    """What one side made of the items, in their order."""

    prompts: list[str]
    scores: list[list[float]]
    chosen: list[int]
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class Agreement:
    """How far the two sides agree."""

    n: int
    same_prompts: int
    same_choices: int
    accuracy_apart: float  # in points
    log_prob_apart: float  # the largest difference of an option's log-probability, in nats
    gap_apart: float  # the same after each item's mean over its options is taken away


def agreement(ours: Outcome, theirs: Outcome) -> Agreement:
    """How far two outcomes on the same items agree."""
    apart, gap = 0.0, 0.0
    for a, b in zip(ours.scores, theirs.scores, strict=True):
        off = [x - y for x, y in zip(a, b, strict=True)]
        mean = sum(off) / len(off)
        apart = max(apart, *map(abs, off))
        gap = max(gap, *(abs(one - mean) for one in off))
    return Agreement(
        len(ours.chosen),
        sum(a == b for a, b in zip(ours.prompts, theirs.prompts, strict=True)),
        sum(a == b for a, b in zip(ours.chosen, theirs.chosen, strict=True)),
        100 * abs(ours.accuracy - theirs.accuracy),
        apart,
        gap,
    )


def by_osler(
    kind: str, folder: Path, rows: Sequence[Row], examples: Sequence[Row], model: Any, tokenizer: Any, chat: bool
) -> tuple[Outcome, Path]:
    """The items asked by the exam; also the folder of the task's results."""
    write_rows(folder / "data" / "local" / "test.jsonl", rows)
    write_rows(folder / "data" / "local" / "examples.jsonl", examples)
    own: Row = {
        "extends": TASKS[kind][0],
        "num_fewshot": len(examples),
        "data": {"dataset": "local", "read": ["test.jsonl"], "fewshot": ["examples.jsonl"], "published": None},
    }
    if kind == "medmcqa":
        own["data"]["shape"] = "medmcqa"
    if kind == "texts":
        own |= {"prompt": "Question: {{ question }}", "answers": "texts", "normalise": "bytes"}
    path = folder / f"{kind}.yaml"
    path.write_text(yaml.safe_dump(own), encoding="utf-8")
    options = Options(chat=chat)
    task = adjusted(load_task(str(path)), options)
    source = Source(folder / "data")
    engine = TransformersEngine(model, tokenizer, "model", "0" * 64)
    out = folder / "out" / kind
    started = time.perf_counter()
    with Finished(folder / f"{time.time_ns()}.sqlite") as finished:
        summary = run_task(task, engine, source, out, options, finished)
    seconds = time.perf_counter() - started
    answers = [json.loads(line) for line in (out / "items.jsonl").read_text(encoding="utf-8").splitlines()]
    prompter = Prompter(task, engine.render if chat else None, examples_of(task, source, len(examples)))
    prompts = [prompter.prompt(item) for item in items_of(task, source)]
    return Outcome(
        prompts,
        [answer["scores"] for answer in answers],
        [answer["chosen"][0] for answer in answers],
        summary["accuracy"],
        seconds,
    ), out


def by_lm_eval(
    kind: str, folder: Path, rows: Sequence[Row], examples: Sequence[Row], model: Any, tokenizer: Any, chat: bool
) -> tuple[Outcome, Row]:
    """The same items asked by lm-eval; also all that it returned."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    package = importlib.util.find_spec("lm_eval")
    assert package is not None
    assert package.origin is not None
    parts = {
        "test": write_rows(folder / "test.jsonl", rows),
        "train": write_rows(folder / "train.jsonl", examples or rows[:1]),
    }
    task: Row = {
        "include": str(Path(package.origin).parent / "tasks" / TASKS[kind][1]),
        "task": f"local_{kind}",
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {
            "data_files": {name: str(path) for name, path in parts.items()},
            "cache_dir": str(folder / "cache"),
        },
        "training_split": "train",
        "validation_split": None,
        "test_split": "test",
        "fewshot_split": "train",
        "fewshot_config": {"sampler": "first_n"},  # ours are the first too; its default draws them anew for each item
        "num_fewshot": len(examples),
    }
    metric = "acc"
    if kind in ("mmlu", "texts"):
        task["description"] = DESCRIPTION
    if kind == "texts":
        metric = "acc_bytes"
        task |= {"doc_to_text": "Question: {{question}}\nAnswer:", "doc_to_choice": "{{choices}}"}
        task["metric_list"] = [{"metric": metric, "aggregation": "mean", "higher_is_better": True}]
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    (folder / "tasks" / f"local_{kind}.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    lm = HFLM(
        pretrained=model,
        tokenizer=tokenizer,
        batch_size=16,
        device="cpu",
        max_length=model.config.max_position_embeddings,
    )
    started = time.perf_counter()
    found = simple_evaluate(
        model=lm,
        tasks=[f"local_{kind}"],
        task_manager=TaskManager(include_path=str(folder / "tasks"), include_defaults=False),
        apply_chat_template=chat,
        fewshot_as_multiturn=chat,
        log_samples=True,
        bootstrap_iters=100,  # none gives no standard errors
    )
    seconds = time.perf_counter() - started
    assert found is not None
    samples = sorted(found["samples"][f"local_{kind}"], key=lambda sample: sample["doc_id"])
    scores = [[float(value) for value, _ in sample["filtered_resps"]] for sample in samples]
    if kind == "texts":
        scores = [
            [value / len(text.encode()) for value, text in zip(values, row["choices"], strict=True)]
            for values, row in zip(scores, rows, strict=True)
        ]
    return Outcome(
        [sample["arguments"][0][0] for sample in samples],
        scores,
        [max(range(len(one)), key=one.__getitem__) for one in scores],
        found["results"][f"local_{kind}"][f"{metric},none"],
        seconds,
    ), found


def bundled_items(count: int) -> list[ExamItem]:
    """Items of the bundled exam with four options, spread over all of it."""
    from corpora.bundled.render import render

    items = [item for item in render("bundled-exam") if isinstance(item, ExamItem) and len(item.options) == 4]
    step = max(1, len(items) // count)
    return list(itertools.islice(items, 0, step * count, step))

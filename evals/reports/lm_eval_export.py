"""Results in the form of lm-eval, for its own tools and for the leaderboards and viewers that read it.

``OUT/MODEL/results_DATE.json`` holds the figures of all tasks, and ``OUT/MODEL/samples_TASK_DATE.jsonl`` every item's answer, with the
names and fields of lm-evaluation-harness 0.4.13 (``lm_eval/result_schema.py``, ``lm_eval/loggers/evaluation_tracker.py``). A task
that follows one of lm-eval's carries its name, so that figures of both stand in one row.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import statistics
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from corpora.disk import writing
from corpora.errors import DataError
from corpora.records import LETTERS
from evals.exam.tasks import OPEN
from evals.figures.results import Row, read_items, read_results, read_task, task_folders
from evals.open.summary import cut
from evals.reports.lm_eval_names import lm_eval_name, metric_of

NOTHING_READ = "[invalid]"  # as lm-eval's filters have it
FILTER = "none"


def export(folder: Path, out: Path) -> Path:
    """Writes the results of ``folder`` below ``out`` in lm-eval's form; the same results give the same files.

    Returns:
        The results file.

    Raises:
        DataError: ``folder`` has no results, or a file of them is broken.
    """
    folders = task_folders(folder)
    about = {name: read_task(place) for name, place in folders.items()}
    model = read_results(folder)["model"]
    finished = max((place / "items.jsonl").stat().st_mtime for place in folders.values())
    date = datetime.fromtimestamp(finished, UTC).replace(tzinfo=None).isoformat().replace(":", "-")
    sanitized = re.sub(r'["<>:/|\\?*\[\]]+', "__", str(model["id"]))
    place = out / sanitized
    place.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {
        "results": {},
        "group_subtasks": {},
        "configs": {},
        "versions": {},
        "n-shot": {},
        "higher_is_better": {},
        "n-samples": {},
        "config": _config(model, list(about.values())),
        "date": finished,
        "model_source": "hf" if model["engine"] == "transformers" else model["engine"],
        "model_name": model["id"],
        "model_name_sanitized": sanitized,
        "fewshot_as_multiturn": all(task["chat_template"] for task in about.values()),
        "task_hashes": {},
        "total_evaluation_time_seconds": str(sum(task["seconds"] for task in about.values())),
        "osler_version": next(iter(about.values()))["osler"],
    }
    for name, task in about.items():
        _add_task(found, task, folders[name], place, date)
    path = place / f"results_{date}.json"
    with writing(path) as stream:
        stream.write(json.dumps(found, indent=2, ensure_ascii=False))
    return path


def _add_task(found: Row, task: Row, folder: Path, place: Path, date: str) -> None:
    name, metric = lm_eval_name(task), metric_of(task)
    scores: list[float] = []
    hashes = hashlib.sha256()
    with writing(place / f"samples_{name}_{date}.jsonl") as stream:
        for sample in _samples(task, metric, folder):
            scores.append(sample[metric])
            hashes.update((sample["doc_hash"] + sample["prompt_hash"] + sample["target_hash"]).encode())
            stream.write(json.dumps(sample, ensure_ascii=False) + "\n")
    n = len(scores)
    if n == 0:
        raise DataError(
            f"{folder / 'items.jsonl'}: no item with a score in this file; run the task again with `osler eval`"
        )
    found["results"][name] = {
        "name": name,
        "alias": name,
        "sample_len": n,
        f"{metric},{FILTER}": cut(statistics.fmean(scores)),
        f"{metric}_stderr,{FILTER}": statistics.stdev(scores) / math.sqrt(n) if n > 1 else "N/A",
    }
    found["group_subtasks"][name] = []
    found["configs"][name] = {
        "task": name,
        "output_type": "multiple_choice" if task["scoring"] == "likelihood" else "generate_until",
        "num_fewshot": task["num_fewshot"],
        "metric_list": [{"metric": metric, "aggregation": "mean", "higher_is_better": True}],
        "metadata": {
            "version": task["version"],
            "osler_task": task["task"],
            "source": task["source"],
            "licence": task["licence"],
            "data": task["data"],
            "chat_template": task["chat_template"],
            "prompt_example": task["prompt_example"],
        },
    }
    found["versions"][name] = task["version"]
    found["n-shot"][name] = task["num_fewshot"]
    found["higher_is_better"][name] = {metric: True}
    whole = task["published_n"] if task["limit"] is not None and task["published_n"] is not None else n
    found["n-samples"][name] = {"original": whole, "effective": n}
    found["task_hashes"][name] = hashes.hexdigest()


def _samples(task: Row, metric: str, folder: Path) -> Iterator[Row]:
    """The lines of lm-eval's samples file.

    Whether an option was also the greedy continuation is not known here, so that the second part of a response is "None".
    """
    for number, item in enumerate(read_items(folder)):
        doc = {key: item[key] for key in ("id", "question", "options", "gold", "subject")}
        if "prompt_sha256" not in item:
            raise DataError(
                f"{folder / 'items.jsonl'}, item {item['id']}: no prompt_sha256; run the task again with `osler eval`"
            )
        if item["score"] is None:  # an open answer of which a judge's verdict is missing
            continue
        if task["scoring"] in OPEN:
            target = "\n".join(item["references"])
            filtered: list[Any] = [item["text"] or ""]
        elif item["scores"] is not None:
            target = str(item["gold"][0])
            filtered = [[str(score), "None"] for score in item["scores"]]
        else:
            target = _letters(item["gold"])
            filtered = [NOTHING_READ if item["chosen"] is None else _letters(item["chosen"])]
        yield {
            "doc_id": number,
            "doc": doc,
            "target": target,
            "resps": [[one] for one in filtered] if item["scores"] is not None else [[item["text"] or ""]],
            "filtered_resps": filtered,
            "filter": FILTER,
            "metrics": [metric],
            "doc_hash": _hash(json.dumps(doc, indent=2, ensure_ascii=False)),
            "prompt_hash": item["prompt_sha256"],
            "target_hash": _hash(target),
            metric: float(item["score"]),
        }


def _letters(places: list[int]) -> str:
    return "".join(LETTERS[place] for place in places)


def _config(model: Row, tasks: list[Row]) -> Row:
    limits = {task["limit"] for task in tasks}
    return {
        "model": "hf" if model["engine"] == "transformers" else model["engine"],
        "model_args": f"pretrained={model['id']}",
        "model_sha": model["fingerprint"],
        "settings": tasks[0]["settings"],
        "limit": limits.pop() if len(limits) == 1 else None,
        "bootstrap_iters": 0,
        "gen_kwargs": None,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

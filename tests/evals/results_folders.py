"""Small results folders, as ``osler eval`` leaves them, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

SUBJECTS = ["Anatomy", "Cardiology & <vessels>", "Pharmacology"]


def write_task(
    out: Path,
    name: str = "medqa",
    n: int = 200,
    skill: float = 0.5,
    seed: int = 0,
    options: int = 4,
    model: str = "base",
    cluster_of: int = 1,
    generative: bool = False,
    unparsed: float = 0.0,
    **about: Any,
) -> Path:
    """A task's folder whose model gets about ``skill`` of the items right; the items depend on ``n`` and ``name`` alone."""
    keys = np.random.default_rng(len(name)).integers(options, size=n)
    rng = np.random.default_rng(seed)
    folder = out / name
    folder.mkdir(parents=True)
    with (folder / "items.jsonl").open("w", encoding="utf-8") as stream:
        for place in range(n):
            gold = int(keys[place])
            scores = rng.normal(-3, 1, size=options)
            if rng.random() < skill:
                scores[gold] = max(scores) + rng.exponential(1.0)
            chosen: list[int] | None = [int(np.argmax(scores))]
            if rng.random() < unparsed:
                chosen = None
            item = {
                "id": f"{name}-{place}",
                "cluster": f"passage {place // cluster_of}" if cluster_of > 1 else None,
                "subject": SUBJECTS[place % 3],
                "question": f"Question {place} of <{name}>: which | drug?",
                "options": [f"Drug {letter}" for letter in "ABCDEFGHIJ"[:options]],
                "gold": [gold],
                "chosen": chosen,
                "right": chosen == [gold],
                "score": float(chosen == [gold]),
                "scores": None if generative else scores.tolist(),
                "text": "The answer is ..." if generative else None,
                "key_error": "its task lists it" if place % 50 == 7 else "",
            }
            stream.write(json.dumps(item) + "\n")
    task = {
        "task": name,
        "title": f"{name.upper()} for tests",
        "version": 1,
        "language": "en",
        "metric": "accuracy",
        "scoring": "generative" if generative else "likelihood",
        "normalise": "none",
        "num_fewshot": 0,
        "chat_template": False,
        "prompt_example": "Question: ...\nAnswer:",
        "source": "made for tests",
        "licence": "CC0",
        "data": {"file": "test.jsonl", "sha256": "0" * 64},
        "n": n,
        "chance": 1 / options,
        "model": {"id": model, "fingerprint": model, "engine": "transformers"},
        "osler": "0",
        "seconds": 1.0,
        **about,
    }
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    return folder


def write_results(out: Path, tasks: dict[str, Any], model: str = "base", suite: str | None = "quick") -> Path:
    """``results.json`` above the tasks' folders."""
    found = {"model": {"id": model, "fingerprint": model, "engine": "transformers"}, "suite": suite, "tasks": tasks}
    (out / "results.json").write_text(json.dumps(found), encoding="utf-8")
    return out

"""The line of ``items.jsonl`` for one item, and the cluster that it belongs to."""

from __future__ import annotations

import hashlib
from dataclasses import asdict

from corpora.records import ExamItem
from evals.asking.asked import Given, choice_of, is_right
from evals.exam.tasks import Task
from evals.figures.results import Row


def row_of(item: ExamItem, given: Given, task: Task) -> Row:
    """What is kept of an item and its answer; the prompt's SHA-256 tells whether two runs, or lm-eval, asked in the same words."""
    chosen = choice_of(given, item, task)
    right = is_right(chosen, item)
    return {
        "id": item.id,
        "cluster": cluster_of(item),
        "subject": str(item.meta["subject"]) if item.meta.get("subject") else None,
        "question": f"{item.context}\n\n{item.question}" if item.context else item.question,
        "options": item.options,
        "gold": sorted(item.answers),
        "chosen": chosen,
        "right": right,
        "score": 1.0 if right else 0.0,
        "scores": given.scores,
        "text": given.text,
        "refused": asdict(given.refused) if given.refused is not None else None,
        "key_error": item.meta.get("key_error", ""),
        "prompt_sha256": prompt_sha256(given.prompt),
    }


def cluster_of(item: ExamItem) -> str | None:
    """A name that items on the same passage share; None for an item that stands alone."""
    return passage(item.context) or (str(item.meta["cluster"]) if item.meta.get("cluster") else None)


def passage(context: str) -> str | None:
    """A short name of a passage; None where there is none."""
    return hashlib.sha256(context.encode()).hexdigest()[:12] if context else None


def prompt_sha256(prompt: str) -> str:
    """Of a prompt in whole."""
    return hashlib.sha256(prompt.encode()).hexdigest()

"""An engine that answers as a test says, and an exam whose right options can be told from the prompt."""

import json
from collections.abc import Sequence
from pathlib import Path

from evals.asking.finished import Finished
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.exam.tasks import Task
from evals.run import Options, adjusted, run_task

LETTERS = "ABCD"


class Stub:
    """An engine whose answers a test decides from the prompt."""

    id, name, fingerprint, settings, chunk = "stub", "stub", "0" * 64, "", 512

    def __init__(self, choose, chunk: int = 512) -> None:
        self.choose, self.chunk, self.asked = choose, chunk, 0

    def log_probs(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        self.asked += len(pairs)
        return [0.0 if after.strip() == self.choose(before) else -1.0 for before, after in pairs]

    def generate(self, prompts: Sequence[str], max_tokens: int, stop: Sequence[str]) -> list[str]:
        self.asked += len(prompts)
        return [self.choose(prompt) for prompt in prompts]

    def render(self, messages: list[dict[str, str]]) -> str:
        return "".join(f"[{message['role']}]{message['content']}" for message in messages)


def oracle(prompt: str) -> str:
    """The letter before the option that says it is right."""
    return next(line[0] for line in prompt.splitlines() if line.endswith("(right)"))


def exam_file(path: Path, count: int) -> Path:
    """Questions whose right option says so; the key goes round."""
    with path.open("w", encoding="utf-8") as stream:
        for number in range(count):
            options = {letter: f"option {letter} of {number}" for letter in LETTERS}
            key = LETTERS[number * 7 % 4 if number % 5 else 0]
            options[key] += " (right)"
            row = {"id": str(number), "question": f"Question {number}?", "options": options, "answer_idx": key}
            stream.write(json.dumps(row) + "\n")
    return path


def run(folder: Path, engine: Stub, count: int = 400, task: Task | None = None, **options: object):
    file = exam_file(folder / "test.jsonl", count)
    task = task or load_task("medqa")
    asked = Options(**options)  # type: ignore[arg-type]
    with Finished(folder / "finished.sqlite") as finished:
        summary = run_task(adjusted(task, asked), engine, Source(file=file), folder / task.name, asked, finished)
    lines = (folder / task.name / "items.jsonl").read_text(encoding="utf-8").splitlines()
    return summary, [json.loads(line) for line in lines]

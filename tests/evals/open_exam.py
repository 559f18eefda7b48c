"""An exam of open answers, with a judge behind a socket."""

from pathlib import Path

from evals.asking.finished import Finished
from evals.exam.source import Source
from evals.exam.task_files import load_task
from evals.exam.tasks import Task
from evals.figures.results import read_items, write_results
from evals.judging.judge import Judge
from evals.open.marking import Means
from evals.run import Options, adjusted, run_task
from tests.evals.stub_engine import Stub


def judge(url: str) -> Judge:
    return Judge(url, "scripted", concurrency=4, max_retries=0)


def run(
    folder: Path, task: str | Task, file: Path, answer, url: str | None = None, chat: bool = True, name: str = "stub"
):
    task = load_task(task) if isinstance(task, str) else task
    engine, options = Stub(answer), Options(chat=chat)
    engine.id = engine.fingerprint = name
    means = Means(judge(url) if url else None)
    with Finished(folder / "finished.sqlite") as finished:
        summary = run_task(
            adjusted(task, options), engine, Source(file=file), folder / task.name, options, finished, means
        )
    write_results(folder, engine, None, {task.name: summary}, {})
    return summary, list(read_items(folder / task.name)), engine

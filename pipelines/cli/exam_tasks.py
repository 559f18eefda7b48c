"""The exam by tasks, as ``osler eval --task`` and ``--suite`` have it: what is asked is checked, a model is asked, the results are shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape

from corpora.disk import check_file
from corpora.errors import DataError, OslerError
from pipelines.cli.options import err, out, table

if TYPE_CHECKING:
    from evals.engines import Engine
    from evals.exam.source import Source
    from evals.exam.tasks import Task
    from evals.figures.contamination import TrainingText
    from evals.open.marking import Means
    from evals.run import Options


@dataclass(frozen=True)
class Wanted:
    """What the command line says of an exam by tasks."""

    model: str
    tasks: list[str]  # names, or paths of YAML files
    suite: str | None
    engine: str
    url: str | None  # of a server
    server: dict[str, Any]  # how it is asked, as ``evals.engines.openai.OpenAIEngine`` takes it
    dtype: str
    # How the tasks are asked (``evals.run.Options``); None is the task's own, and of ``chat`` the model's.
    chat: bool | None
    num_fewshot: int | None
    scoring: str | None
    max_tokens: int | None
    rotations: bool
    blank: bool
    contamination: bool
    # Where their rows are read (``evals.exam.source.Source``).
    data: Path | None
    file: Path | None
    answers: Path | None  # the right ones, in a file apart
    mapping: list[str]
    limit: int | None
    key_errors: Path | None
    base: Path | None  # results of the model's own base
    output: Path | None


def checked(wanted: Wanted) -> tuple[list[Task], Source]:
    """The tasks, and where their rows are read.

    Raises:
        OslerError: something was named that is not there, or that does not go together.
    """
    from evals.exam.items import items_of
    from evals.exam.known_errors import load_list
    from evals.exam.own_file import parse_mapping
    from evals.exam.source import Source
    from evals.exam.task_files import load_suite, load_task
    from evals.figures.results import read_results
    from evals.open.items import open_items_of

    if wanted.engine not in ("transformers", "vllm", "openai"):
        raise OslerError(f"--engine is transformers, vllm or openai, not '{wanted.engine}'")
    if wanted.scoring not in (None, "likelihood", "generative"):
        raise OslerError(f"--scoring is likelihood or generative, not '{wanted.scoring}'")
    named = [*(load_suite(wanted.suite)[1] if wanted.suite else []), *(load_task(name) for name in wanted.tasks)]
    tasks = list({task.name: task for task in named}.values())
    file = wanted.file
    if file is not None and len(tasks) != 1:
        raise OslerError(f"--file brings the rows of one task, and {len(tasks)} are asked")
    mapping = parse_mapping(wanted.mapping)
    if mapping and file is None and wanted.answers is None:
        raise OslerError("--map says what the fields of --file are; name the file too")
    if file is None and not mapping.keys() <= {"id", "answer"}:
        raise OslerError("without --file, --map says what id and answer of --answers are, and nothing else")
    if file is not None and file.is_dir():
        raise OslerError(
            f"{file}: a folder, and --file brings one file; --data names the folder of the catalogued data"
        )
    if file is not None:
        check_file(file)
    if wanted.answers is not None:
        if len(tasks) != 1 or tasks[0].open_ended:
            what = f"{len(tasks)} are asked" if len(tasks) != 1 else f"task '{tasks[0].name}' has none"
            raise OslerError(f"--answers names the right options of one task, and {what}")
        check_file(wanted.answers)
    if wanted.base is not None and not wanted.base.is_dir():
        raise OslerError(f"{wanted.base}: no such folder; --base is a results folder of `osler eval`")
    if wanted.base is not None:
        read_results(wanted.base)
    if wanted.key_errors is not None:
        load_list(wanted.key_errors)
    source = Source(wanted.data, file, wanted.answers, mapping, wanted.limit, wanted.key_errors)
    faults: list[str] = []
    for task in tasks:  # until there is one that can be asked
        if task.open_ended and file is None:
            return tasks, source  # a judge may be wanting as well, which is told with the model at hand
        rows = open_items_of if task.open_ended else items_of
        try:
            next(iter(rows(task, source)), None)  # raises where it is not here or empty, or its fields are not known
            return tasks, source
        except DataError as error:
            faults.append(str(error))
    raise OslerError("; ".join(faults))


def examine_by_tasks(
    wanted: Wanted, tasks: list[Task], source: Source, means: Callable[[], Means], as_json: bool
) -> None:
    """Asks the model, writes the results and their report, and shows them.

    Args:
        wanted: what the command line says.
        tasks: as ``checked`` found them.
        source: as ``checked`` found it.
        means: makes what open answers are marked with; it may load a model, and is called when the results can be written.
        as_json: whether they are shown to a program.
    """
    from evals.figures.compare import compare
    from evals.figures.forgetting import forgetting
    from evals.figures.results import check_writable, model_name
    from evals.reports.report import write_report
    from pipelines.config.models import own_folder
    from pipelines.examiner import engine_of, examine_tasks

    own = None if wanted.engine == "openai" or wanted.model.startswith("bundled:") else own_folder(wanted.model)
    folder = wanted.output or Path("runs/exam") / model_name(str(own or wanted.model))
    check_writable(folder)  # before a model is loaded, which may take minutes
    marked = means()
    engine = engine_of(wanted.model, wanted.engine, wanted.url, wanted.dtype, wanted.server)  # type: ignore[arg-type]
    options = _options(wanted, engine)
    found = examine_tasks(
        engine,
        tasks,
        source,
        options,
        folder,
        suite=wanted.suite,
        told=lambda text: err.print(text, markup=False, soft_wrap=True),
        means=marked,
        trained_on=_trained_on(wanted, engine) if options.contamination else None,
    )
    page = write_report(folder, wanted.base) if found["tasks"] else None
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    results = {task.name: found["tasks"][task.name] for task in tasks if task.name not in found["skipped"]}
    _show(f"{escape(wanted.model)}, {'its chat format' if options.chat else 'plain text'}", results)
    if wanted.base is not None:
        for line in forgetting(compare([wanted.base, folder], own_prompts=True)):
            out.print(line, markup=False, soft_wrap=True)
    told = f"; report: {page} and .html" if page is not None else ""
    out.print(f"every answer: {folder}{told}", markup=False, soft_wrap=True)


def _options(wanted: Wanted, engine: Engine) -> Options:
    """How the tasks are asked; what the command line leaves to the model is as the model is."""
    from evals.run import Options
    from pipelines.examiner import asked_in_chat

    in_chat = asked_in_chat(wanted.model, engine) if wanted.chat is None else wanted.chat
    # A chat endpoint gives no log-probabilities of the options.
    by_endpoint = "generative" if engine.name == "openai" and in_chat else None
    return Options(
        chat=in_chat,
        num_fewshot=wanted.num_fewshot,
        scoring=wanted.scoring or by_endpoint,
        max_tokens=wanted.max_tokens,
        rotations=wanted.rotations,
        blank=wanted.blank,
        contamination=wanted.contamination,
    )


def _trained_on(wanted: Wanted, engine: Engine) -> Callable[[], TrainingText]:
    """Finds out what the model was trained on."""
    from evals.figures.contamination import TrainingText
    from pipelines.trained_on import training_text

    if engine.name == "openai":
        return partial(TrainingText, {}, ["a server does not say what its model was trained on"])
    return partial(training_text, wanted.model, wanted.data)


def _show(title: str, results: dict[str, dict[str, Any]]) -> None:
    """The scores of each task, and what else was asked of it."""
    from evals.reports.cells import unparsed

    chosen = {name: result for name, result in results.items() if "open" not in result}
    heads = ("task", "n", "accuracy, %", "95% interval", "chance, %", "majority, %", "unparsed, %")
    shown = table(title, *heads)
    for name, result in chosen.items():
        interval = f"{100 * result['low']:.1f} to {100 * result['high']:.1f}"
        shares = [f"{100 * result[key]:.1f}" for key in ("accuracy", "chance", "majority")]
        shown.add_row(escape(name), f"{result['n']:,}", shares[0], interval, *shares[1:], unparsed(result))
    if chosen:
        out.print(shown)
    for name, result in chosen.items():
        for line in _hidden(result):
            out.print(f"{name}: {line}", markup=False, soft_wrap=True)
    _show_opened({name: result for name, result in results.items() if "open" in result})


def _show_opened(results: dict[str, dict[str, Any]]) -> None:
    """The table of open answers, and what its scores are made of."""
    if not results:
        return
    from evals.reports.open_answers import HEAD, judges, rows, told

    for line in judges(results):
        out.print(line, markup=False, soft_wrap=True)
    shown = table("open answers", *HEAD)
    for row in rows(results):
        shown.add_row(*row)
    out.print(shown)
    for name, result in results.items():
        for line in told(result):
            out.print(f"{name}: {line}", markup=False, soft_wrap=True)


def _hidden(result: dict[str, Any]) -> list[str]:
    """What the rotations, the blanked questions and the search of the training text gave, in words."""
    lines = []
    turned = result.get("rotations", {})
    if "skipped" in turned:
        lines.append(f"no rotations: {turned['skipped']}")
    elif turned:
        lines.append(
            f"over all {turned['rotations']} rotations of the options {100 * turned['accuracy']:.1f}% right; right in all of them "
            f"{100 * turned['worst_case']['share']:.1f}%; another answer after some rotation {100 * turned['flip_rate']['share']:.1f}%"
        )
    if "blank" in result:
        blank = result["blank"]
        lines.append(
            f"without the question {100 * blank['share']:.1f}% right ({100 * blank['low']:.1f} to {100 * blank['high']:.1f})"
        )
    if "contamination" in result:
        from evals.figures.contamination import in_words

        lines.append(in_words(result["contamination"]))
    return lines

"""The command that examines a model: eval."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from corpora.errors import OslerError
from pipelines.cli.judge import (
    AGREEMENTS,
    AgreementsOption,
    JudgeConcurrencyOption,
    JudgeKeyOption,
    JudgeModelOption,
    JudgeOption,
    JudgeTokensOption,
    JudgeWordingOption,
    SimilarityOption,
    judge_of,
    means_of,
)
from pipelines.cli.options import DataOption, JsonOption, UrlOption, app, err, out, table
from pipelines.cli.server_options import (
    ConcurrencyOption,
    KeyOption,
    NoTemperatureOption,
    TimeoutOption,
    server_options,
)
from pipelines.cli.tasks import show_tasks

if TYPE_CHECKING:
    from evals.items import Source
    from evals.open.marking import Means
    from evals.tasks import Task

# The groups of ``--help``: in one list each line would have room for three words.
ASKED, HOW, RESULT, BUNDLED = "What is asked", "How it is asked", "What is left", "Without a task"

TaskOption = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        "-t",
        help="A task of `osler tasks list`, or the path of a YAML file of your own; repeatable.",
        rich_help_panel=ASKED,
    ),
]


@app.command("eval")
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="A model's folder or hub id, or `bundled:osler-nano-base`; with `--url` the name by which the server knows it."
        ),
    ] = "",
    task: TaskOption = None,
    suite: Annotated[
        str | None, typer.Option("--suite", help="A suite of tasks: see `osler tasks list`.", rich_help_panel=ASKED)
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--file", help="Rows of your own for the one task: JSON Lines, JSON, CSV or Parquet.", rich_help_panel=ASKED
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            help="Which field of --file is which, as `question=stem`, `options=a,b,c,d`, `answer=gold`.",
            rich_help_panel=ASKED,
        ),
    ] = None,
    data: DataOption = None,
    num_fewshot: Annotated[
        int | None,
        typer.Option(
            "--num-fewshot", min=0, help="Examples before each question. Default: the task's own.", rich_help_panel=HOW
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Ask only so many items: the first ones of a task; with --items taken by seed.",
            rich_help_panel=ASKED,
        ),
    ] = None,
    chat: Annotated[
        bool | None,
        typer.Option(
            help="Ask in the model's chat format. Default: yes if it has a chat template and is no base model.",
            rich_help_panel=HOW,
        ),
    ] = None,
    scoring: Annotated[
        str | None,
        typer.Option(
            "--scoring",
            help="`likelihood` (the likeliest option) or `generative` (what the model writes). Default: the task's own.",
            rich_help_panel=HOW,
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            "--max-tokens",
            min=1,
            help="Length of a freely written answer. Default: the task's own.",
            rich_help_panel=HOW,
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="`transformers`, `vllm` or `openai`. Default: openai with --url, else transformers.",
            rich_help_panel=HOW,
        ),
    ] = None,
    url: UrlOption = None,
    timeout: TimeoutOption = None,
    concurrency: ConcurrencyOption = None,
    key_env: KeyOption = None,
    no_temperature: NoTemperatureOption = False,
    dtype: Annotated[
        str,
        typer.Option(
            help="Number format of a model in this process: `float32`, `bfloat16`, `float16`, or `auto` for what runs fastest here. In 16 bits "
            "some choices between options that are nearly alike depend on the machine and the batch.",
            rich_help_panel=HOW,
        ),
    ] = "auto",
    rotations: Annotated[
        bool,
        typer.Option(
            "--rotations",
            help="Also ask with the options in each cyclic order: flip rate and worst case.",
            rich_help_panel=HOW,
        ),
    ] = False,
    blank: Annotated[
        bool,
        typer.Option(
            "--blank", help="Also ask without the question: what the options alone give away.", rich_help_panel=HOW
        ),
    ] = False,
    judge: JudgeOption = None,
    judge_model: JudgeModelOption = None,
    judge_key_env: JudgeKeyOption = "OSLER_JUDGE_KEY",
    judge_concurrency: JudgeConcurrencyOption = 8,
    judge_max_tokens: JudgeTokensOption = 2048,
    judge_wording: JudgeWordingOption = None,
    agreements: AgreementsOption = AGREEMENTS,
    similarity: SimilarityOption = None,
    contamination: Annotated[
        bool,
        typer.Option(
            "--contamination",
            help="Also look for the items in the model's training text, as its manifests name it, and score the others alone. Reads all of that text.",
            rich_help_panel=RESULT,
        ),
    ] = False,
    key_errors: Annotated[
        Path | None,
        typer.Option(
            "--key-errors",
            help="A list of your own of items whose key is wrong (YAML, see docs/exam.md), beside the bundled lists.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            "--base",
            help="Results folder of the model's own base on the same tasks: the report holds the two side by side, and says what was forgotten.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder of the answers and results (default `runs/exam/MODEL`); without a task, a JSON file for `osler compare`.",
            rich_help_panel=RESULT,
        ),
    ] = None,
    as_json: JsonOption = False,
    listed: Annotated[
        bool, typer.Option("--list", help="List the tasks and suites, and stop.", rich_help_panel=ASKED)
    ] = False,
    items: Annotated[
        list[str] | None,
        typer.Option(
            "--items",
            help="Without a task: exam items by catalogue name (`bundled-exam`, `medmcqa-validation`, `pubmedqa-test`); repeatable.",
            rich_help_panel=BUNDLED,
        ),
    ] = None,
    letters: Annotated[
        bool,
        typer.Option(
            help="With --items: score the letters A to D beneath a list of the options, not the options' texts.",
            rich_help_panel=BUNDLED,
        ),
    ] = False,
    normalise: Annotated[
        str,
        typer.Option(help="With --items: none, bytes, or unconditional (see evals/score.py).", rich_help_panel=BUNDLED),
    ] = "unconditional",
) -> None:
    """Examine MODEL by tasks or a suite; without either, on the bundled exam, bits per byte and emergencies.

    A run that was stopped goes on when the same command is given again.

    Examples: `osler eval runs/nano/final --task bundled-exam` · `osler eval bundled:osler-nano-base --suite quick --data DIR` ·
    `osler eval runs/nano/final --task medqa --file mine.jsonl --map question=stem`
    """
    if listed:
        show_tasks(as_json)
        return
    if not model:
        raise typer.BadParameter("name a model, as `osler eval bundled:osler-nano-base --task bundled-exam`")
    if task or suite:
        asked = {
            "num_fewshot": num_fewshot,
            "scoring": scoring,
            "max_tokens": max_tokens,
            "rotations": rotations,
            "blank": blank,
            "contamination": contamination,
        }
        engine = engine or ("openai" if url else "transformers")
        read = {"file": file, "mapping": mapping or [], "data": data, "limit": limit, "key_errors": key_errors}
        tasks, source = _asked(task or [], suite, engine, read, scoring, base)
        _ready()
        _by_tasks(
            model,
            tasks,
            suite,
            engine,
            url,
            server_options(engine, timeout, concurrency, key_env, no_temperature),
            dtype,
            source,
            asked,
            chat,
            base,
            output,
            as_json,
            lambda: means_of(
                judge_of(
                    judge, judge_model, judge_key_env, judge_concurrency, judge_max_tokens, judge_wording, agreements
                ),
                similarity,
            ),
        )
        return
    if judge or judge_model or similarity:
        raise OslerError("a judge and a similarity mark the open answers of a task: name one with --task or --suite")
    if file is not None or mapping:
        raise OslerError("--file brings the rows of a task: say which with --task (`osler tasks list` shows them)")
    if normalise not in ("none", "bytes", "unconditional"):
        raise OslerError(f"--normalise is none, bytes or unconditional, not '{normalise}'")
    if output is not None and output.is_dir():
        raise OslerError(
            f"-o {output}: a folder; without a task the answers are one JSON file, as {output / 'answers.json'}"
        )
    _ready()
    _bundled(model, items, letters, normalise, chat, limit, data, output, as_json)


def _ready() -> None:
    """Imports what a model is read with, which takes seconds: what is asked has been checked before."""
    from pipelines.loading import quiet
    from serving.hardware import use_processor_well

    quiet()
    use_processor_well()


def _asked(
    names: list[str], suite: str | None, engine: str, read: dict[str, Any], scoring: str | None, base: Path | None
) -> tuple[list[Task], Source]:
    """The tasks, and where their rows are read.

    Raises:
        OslerError: something was named that is not there, or that does not go together.
    """
    from evals.items import Source, items_of
    from evals.open.items import open_items_of
    from evals.own_file import parse_mapping
    from evals.tasks import load_suite, load_task

    if engine not in ("transformers", "vllm", "openai"):
        raise OslerError(f"--engine is transformers, vllm or openai, not '{engine}'")
    if scoring not in (None, "likelihood", "generative"):
        raise OslerError(f"--scoring is likelihood or generative, not '{scoring}'")
    tasks = [*(load_suite(suite)[1] if suite else []), *(load_task(name) for name in names)]
    tasks = list({task.name: task for task in tasks}.values())
    if read["file"] is not None and len(tasks) != 1:
        raise OslerError(f"--file brings the rows of one task, and {len(tasks)} are asked")
    if read["mapping"] and read["file"] is None:
        raise OslerError("--map says what the fields of --file are; name the file too")
    if read["file"] is not None and not read["file"].is_file():
        raise OslerError(f"{read['file']}: {'not a file' if read['file'].exists() else 'no such file'}")
    if base is not None and not base.is_dir():
        raise OslerError(f"{base}: no such folder; --base is a results folder of `osler eval`")
    source = Source(read["data"], read["file"], parse_mapping(read["mapping"]), read["limit"], read["key_errors"])
    if source.file is not None:
        rows = open_items_of if tasks[0].open_ended else items_of
        next(iter(rows(tasks[0], source)), None)  # raises where it is empty or its fields are not known
    return tasks, source


def _by_tasks(
    model: str,
    tasks: list[Task],
    suite: str | None,
    engine_name: str,
    url: str | None,
    server: dict[str, Any],
    dtype: str,
    source: Source,
    asked: dict[str, Any],
    chat: bool | None,
    base: Path | None,
    output: Path | None,
    as_json: bool,
    means: Callable[[], Means],
) -> None:
    from evals.compare import compare
    from evals.forgetting import forgetting
    from evals.reports.columns import unparsed
    from evals.reports.report import write_report
    from evals.results import check_writable, model_name
    from evals.run import Options
    from pipelines.config.models import own_folder
    from pipelines.examiner import asked_in_chat, engine_of, examine_tasks

    own = None if engine_name == "openai" or model.startswith("bundled:") else own_folder(model)
    folder = output or Path("runs/exam") / model_name(str(own or model))
    check_writable(folder)  # before a model is loaded, which may take minutes
    marked = means()
    engine = engine_of(model, engine_name, url, dtype, server)  # type: ignore[arg-type]
    in_chat = asked_in_chat(model, engine) if chat is None else chat
    if engine.name == "openai" and in_chat and asked["scoring"] is None:
        asked["scoring"] = "generative"  # a chat endpoint gives no log-probabilities of the options
    options = Options(chat=in_chat, **asked)
    trained_on = None
    if options.contamination:
        from evals.contamination import TrainingText
        from pipelines.trained_on import training_text

        trained_on = (
            partial(training_text, model, source.data_dir)
            if engine.name != "openai"
            else partial(TrainingText, {}, ["a server does not say what its model was trained on"])
        )
    found = examine_tasks(
        engine,
        tasks,
        source,
        options,
        folder,
        suite,
        lambda text: err.print(text, markup=False, soft_wrap=True),
        marked,
        trained_on,
    )
    page = write_report(folder, base) if found["tasks"] else None
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
        return
    heads = ("task", "n", "accuracy, %", "95% interval", "chance, %", "majority, %", "unparsed, %")
    shown = table(f"{escape(model)}, {'its chat format' if options.chat else 'plain text'}", *heads)
    results = {task.name: found["tasks"][task.name] for task in tasks if task.name not in found["skipped"]}
    opened = {name: result for name, result in results.items() if "open" in result}
    chosen = {name: result for name, result in results.items() if "open" not in result}
    for name, result in chosen.items():
        interval = f"{100 * result['low']:.1f} to {100 * result['high']:.1f}"
        shares = [f"{100 * result[key]:.1f}" for key in ("accuracy", "chance", "majority")]
        shown.add_row(escape(name), f"{result['n']:,}", shares[0], interval, *shares[1:], unparsed(result))
    if chosen:
        out.print(shown)
    for name, result in chosen.items():
        for line in _hidden(result):
            out.print(f"{name}: {line}", markup=False, soft_wrap=True)
    _show_opened(opened)
    if base is not None:
        for line in forgetting(compare([base, folder], own_prompts=True)):
            out.print(line, markup=False, soft_wrap=True)
    told = f"; report: {page} and .html" if page is not None else ""
    out.print(f"every answer: {folder}{told}", markup=False, soft_wrap=True)


def _show_opened(results: dict[str, dict[str, Any]]) -> None:
    """The table of open answers, and what its scores are made of."""
    if not results:
        return
    from evals.open.report import HEAD, judges, rows, told

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
        from evals.contamination import in_words

        lines.append(in_words(result["contamination"]))
    return lines


def _bundled(
    model: str,
    items: list[str] | None,
    letters: bool,
    normalise: str,
    chat: bool | None,
    limit: int | None,
    data: Path | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """The bundled exam, or other items by name, with bits per byte and emergencies, in one JSON file."""
    from pipelines.config import Corpus, ExamItems, ExamStage, resolve_model
    from pipelines.data import Sources
    from pipelines.exam import examine, summary
    from pipelines.examiner import is_base
    from pipelines.loading import load_tokenizer

    names = items or ["bundled-exam"]
    place = resolve_model(model)
    in_chat = not is_base(model) and load_tokenizer(place).chat_template is not None if chat is None else chat
    stage = ExamStage(
        kind="exam",
        models=["model"],
        chat=["model"] if in_chat else [],
        instruction="Answer in a few words." if in_chat and not letters else "",
        items=[
            ExamItems(name=name, options="letters" if letters else "text", normalise=normalise, limit=limit)  # type: ignore[arg-type]
            for name in names
        ],
        medical=[Corpus(name="bundled-held-out")],
        general=[Corpus(name="bundled-general")],
        emergencies=[Corpus(name="bundled-emergencies")],
    )
    found = {**examine(stage, Sources(data, 0, {}), "model", place), "model": model}
    if output is not None:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")
    if as_json:
        print(json.dumps(summary(found), ensure_ascii=False))
        return
    shown = table(model, "items", "part", "n", "accuracy, %", "95% interval")
    for name, result in found["items"].items():
        for part in ("all", "dialogues", "documents_only"):
            if part in result:
                score = result[part]
                interval = f"{100 * score['low']:.1f} to {100 * score['high']:.1f}"
                shown.add_row(name, part, str(score["n"]), f"{100 * score['share']:.1f}", interval)
    out.print(shown)
    for kind, value in found["bits_per_byte"].items():
        out.print(f"bits per byte, {kind} text: {value:.3f}")
    out.print(f"emergencies referred first: {100 * found['emergencies']['share']:.1f}% of {found['emergencies']['n']}")

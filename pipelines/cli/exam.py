"""The command that examines a model: eval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from corpora.disk import check_target
from corpora.errors import OslerError
from pipelines.cli.exam_items import examine_items
from pipelines.cli.exam_tasks import Wanted, checked, examine_by_tasks
from pipelines.cli.judge import (
    AGREEMENTS,
    AgreementsOption,
    JudgeConcurrencyOption,
    JudgeExtraBodyOption,
    JudgeKeyOption,
    JudgeModelOption,
    JudgeOption,
    JudgeTokensOption,
    JudgeWordingOption,
    SimilarityOption,
    judge_of,
    means_of,
)
from pipelines.cli.options import DataOption, JsonOption, UrlOption, app
from pipelines.cli.server_options import (
    ConcurrencyOption,
    ExtraBodyOption,
    KeyOption,
    NoTemperatureOption,
    TimeoutOption,
    server_options,
)
from pipelines.cli.tasks import show_tasks

if TYPE_CHECKING:
    from evals.open.marking import Means

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
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers",
            help="Right answers of the one task, where they are published in a file of their own; joined to the questions by id.",
            rich_help_panel=ASKED,
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
    extra_body: ExtraBodyOption = None,
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
    judge_extra_body: JudgeExtraBodyOption = None,
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
        typer.Option(
            help="With --items: none, bytes, or unconditional (see evals/asking/normalisation.py).",
            rich_help_panel=BUNDLED,
        ),
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
    of_items = {"--items": items, "--letters": letters, "--normalise": normalise != "unconditional"}
    of_tasks = {"--engine": engine, "--url": url, "--scoring": scoring, "--max-tokens": max_tokens, "--base": base}
    of_tasks |= {"--num-fewshot": num_fewshot is not None, "--key-errors": key_errors, "--contamination": contamination}
    of_tasks |= {"--rotations": rotations, "--blank": blank}
    unheeded = [name for name, given in (of_items if task or suite else of_tasks).items() if given]
    if unheeded:
        other = "leave it out, or leave out --task and --suite" if task or suite else "name one with --task or --suite"
        raise OslerError(f"{', '.join(unheeded)}: goes {'without' if task or suite else 'with'} a task; {other}")
    if task or suite:
        engine = engine or ("openai" if url else "transformers")
        wanted = Wanted(
            model=model,
            tasks=task or [],
            suite=suite,
            engine=engine,
            url=url,
            server=server_options(engine, timeout, concurrency, key_env, no_temperature, extra_body),
            dtype=dtype,
            chat=chat,
            num_fewshot=num_fewshot,
            scoring=scoring,
            max_tokens=max_tokens,
            rotations=rotations,
            blank=blank,
            contamination=contamination,
            data=data,
            file=file,
            answers=answers,
            mapping=mapping or [],
            limit=limit,
            key_errors=key_errors,
            base=base,
            output=output,
        )
        tasks, source = checked(wanted)
        _ready()

        def means() -> Means:
            named = judge_of(
                url=judge,
                model=judge_model,
                key_env=judge_key_env,
                concurrency=judge_concurrency,
                max_tokens=judge_max_tokens,
                extra_body=judge_extra_body,
                wordings=judge_wording,
                agreements=agreements,
            )
            return means_of(named, similarity)

        examine_by_tasks(wanted, tasks, source, means, as_json)
        return
    if judge or judge_model or similarity:
        raise OslerError("a judge and a similarity mark the open answers of a task: name one with --task or --suite")
    if file is not None or mapping or answers is not None:
        raise OslerError("--file brings the rows of a task: say which with --task (`osler tasks list` shows them)")
    if normalise not in ("none", "bytes", "unconditional"):
        raise OslerError(f"--normalise is none, bytes or unconditional, not '{normalise}'")
    if output is not None and output.is_dir():
        raise OslerError(
            f"-o {output}: a folder; without a task the answers are one JSON file, as {output / 'answers.json'}"
        )
    if output is not None:
        check_target(output, mark='"bits_per_byte"')
    _ready()
    examine_items(
        model,
        items or ["bundled-exam"],
        letters=letters,
        normalise=normalise,
        chat=chat,
        limit=limit,
        data=data,
        output=output,
        as_json=as_json,
    )


def _ready() -> None:
    """Imports what a model is read with, which takes seconds: what is asked has been checked before."""
    from pipelines.loading import quiet
    from serving.hardware import use_processor_well

    quiet()
    use_processor_well()

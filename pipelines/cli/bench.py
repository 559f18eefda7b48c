"""Commands that measure speed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from corpora.errors import OslerError
from pipelines.cli.options import JsonOption, app, err, out

bench = typer.Typer(
    help="Measure Osler beside loops by hand, the libraries' defaults and a peer.", no_args_is_help=True
)
app.add_typer(bench, name="bench")

STAGES = ("cpt", "sft", "dpo")


@bench.command("train")
def bench_train(
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model's folder or `bundled:…`.")
    ] = "bundled:osler-nano-base",
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=3600.0,
            help="How long each way of each stage is measured. Loading, compiling and warming up come before and are not counted: "
            "on a few cores half a minute or more for each of the five or more ways of a stage.",
        ),
    ] = 8.0,
    stage: Annotated[list[str] | None, typer.Option(help="cpt, sft or dpo; repeatable. Default: all three.")] = None,
    llamafactory: Annotated[
        Path | None,
        typer.Option(
            help="The python of an environment that holds LLaMA-Factory, to measure it too: "
            "`python3 -m venv lf && lf/bin/pip install llamafactory==0.9.5`, then `--llamafactory lf/bin/python`."
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="How often each is measured, in turn; the median is shown.")] = 1,
    compiled: Annotated[
        bool,
        typer.Option(
            "--compile/--no-compile", help="Also measure what is compiled: that takes most of the time on a few cores."
        ),
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Tokens per second of each training stage beside a plain and a compiled loop, TRL's defaults and LLaMA-Factory, in one run.

    Examples: `osler bench train` · `osler bench train --stage sft --seconds 3 --no-compile` · `osler bench train --stage sft --llamafactory lf/bin/python --rounds 3 --json`
    """
    stages = tuple(stage or STAGES)
    for name in stages:
        if name not in STAGES:
            raise OslerError(f"--stage {name}: there are {', '.join(STAGES)}")
    if llamafactory is not None and not llamafactory.is_file():
        raise OslerError(f"--llamafactory {llamafactory}: no such file; give the python of its environment")
    from pipelines.bench import bench_train as measure  # seconds of imports
    from pipelines.config import resolve_model

    rows = measure(resolve_model(model), seconds, stages, llamafactory, rounds, compiled)
    if as_json:
        print(json.dumps(rows))
        return
    shown = Table(title="training speed on this machine")
    for head in ("stage", "how", "tokens/s", "times as fast as"):
        shown.add_column(head)
    for row in rows:
        ratios = ", ".join(f"{name} {ratio:.2f}" for name, ratio in row["beside"].items())
        shown.add_row(row["stage"], row["how"], f"{row['tokens_per_second']:,.0f}", ratios)
    out.print(shown)
    if llamafactory is None:
        err.print("LLaMA-Factory was not measured: --llamafactory names the python of its environment (see --help)")

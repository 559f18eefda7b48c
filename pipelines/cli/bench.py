"""Commands that measure speed."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.table import Table

from pipelines.cli.options import JsonOption, app, out

bench = typer.Typer(help="Measure Osler beside a plain loop and the libraries' defaults.", no_args_is_help=True)
app.add_typer(bench, name="bench")


@bench.command("train")
def bench_train(
    model: Annotated[
        str, typer.Option("--model", "-m", help="A model's folder or `bundled:…`.")
    ] = "bundled:osler-nano-base",
    seconds: Annotated[float, typer.Option(help="Time for each measurement, after warming up.")] = 20.0,
    as_json: JsonOption = False,
) -> None:
    """Tokens per second of each training stage beside a plain loop and TRL's defaults, in one run.

    Examples: `osler bench train` · `osler bench train --seconds 60 --json`
    """
    from pipelines.bench import bench_train as measure
    from pipelines.config import resolve_model

    rows = measure(resolve_model(model), seconds)
    if as_json:
        print(json.dumps(rows))
        return
    shown = Table(title="training speed on this machine")
    for head in ("data", "how", "tokens/s", "beside the plain loop"):
        shown.add_column(head)
    for row in rows:
        shown.add_row(row["data"], row["how"], f"{row['tokens_per_second']:,.0f}", f"{row['ratio']:.2f}")
    out.print(shown)

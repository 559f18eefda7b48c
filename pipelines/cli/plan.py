"""The command that says what a run will take."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from pipelines.cli.options import RECIPE, DataOption, JsonOption, RecipeArgument, app, out, table

GIB = 2**30
IN_A_TABLE, BESIDE = 7, 5  # stages beside each other in 80 columns: all, or so many where there are more


@app.command()
def plan(
    recipe: RecipeArgument = RECIPE,
    gpus: Annotated[
        str,
        typer.Option(
            "--gpus",
            help="What it would run on: `8xH100`, `2x8xH100` (two nodes), `4090`, or `cpu`, which is this machine.",
        ),
    ] = "cpu",
    data: DataOption = None,
    mfu: Annotated[
        float | None,
        typer.Option(
            "--mfu",
            min=0.01,
            max=1.0,
            help="Share of the peak that training reaches. Default: 0.40 on GPUs (Llama 3 405B: 0.38 to 0.43), 0.75 on a processor "
            "(Osler's own).",
        ),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(
            "--price", min=0.0, max=1e6, help="US dollars for each GPU and hour. Default: hardware_table.yaml's."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what RECIPE takes before it runs: memory, time, cost, disk, and what to change where it does not fit.

    Loads no weights and needs no GPU and no network. Tokens are counted where the data is at hand.

    Examples: `osler plan` · `osler plan my-recipe.yaml --gpus 8xH100 --data ~/datasets` · `osler plan my-recipe.yaml --gpus 4090 --json`
    """
    from pipelines.config import load_recipe

    loaded = load_recipe(recipe)  # a wrong name is told before what follows is imported, which takes seconds
    from pipelines import training
    from pipelines.plan import plan as make
    from pipelines.plan.devices import devices

    training.quiet()
    found = make(loaded, devices(gpus, mfu, price), data)
    if as_json:
        print(json.dumps(found.as_dict()))
        return
    where = found.devices
    work = table(
        f"{found.recipe} on {where.label}: work",
        *("stage", "weights", "trained", "tokens", "steps", "PFLOP", "hours", "US$", "GiB on disk"),
    )
    work.padding = (0, 0, 0, 1)  # nine columns in a terminal of 80
    for column in work.columns[1:]:
        column.justify, column.overflow = "right", "fold"
    for stage in found.stages:
        disk = sum(stage.disk.values()) / GIB
        work.add_row(
            stage.name,
            *(short(number) for number in (stage.parameters, stage.trainable, stage.tokens)),
            f"{stage.steps:,}" if stage.steps else "",
            short(stage.flops / 1e15),
            f"{stage.hours:,.3g}" if stage.hours else "",
            f"{stage.cost:,.2f}" if stage.cost else "",
            f"{disk:,.0f}" if disk >= 1000 else f"{disk:,.2f}" if disk else "",
        )
    out.print(work)
    with_memory = [stage for stage in found.stages if stage.memory is not None]
    across = (
        len(with_memory) if len(with_memory) <= IN_A_TABLE else BESIDE
    )  # a number that is cut into two lines cannot be read
    for first in range(0, len(with_memory), max(1, across)):
        out.print(memory_table(with_memory[first : first + across], where.kind))
    for stage in found.stages:
        colour = "green" if stage.fits else "red"
        out.print(f"[{colour}]{stage.name}[/{colour}]: ", end="")
        out.print(stage.verdict, markup=False)
        for remedy in stage.remedies[1:]:
            out.print(f"    or {remedy}", markup=False)
    out.print(
        f"in all: {found.hours:,.3g} hours, {found.cost:,.2f} US$, {found.disk / GIB:,.2f} GiB on disk at most "
        "(models, data, and the checkpoints of one stage)"
    )
    for note in dict.fromkeys(note for stage in found.stages for note in stage.notes):
        out.print(f"- {note}", markup=False)
    out.print(f"- {where.name}: {where.source}", markup=False)
    out.print(
        f"- at {where.mfu:.0%} of its peak and {where.price:.2f} US$ an hour for each; --mfu and --price change them"
    )


def memory_table(stages: list[Any], kind: str) -> Table:
    """The parts of each stage's memory at the moment when there is most, in GiB; all of them have a plan of it."""
    title = f"memory at its peak, GiB {'for each GPU' if kind == 'gpu' else 'of this machine'}"
    shown = table(title, "", *(stage.name for stage in stages))  # parts down, stages across: it fits 80 columns
    for column in shown.columns[1:]:
        column.justify, column.overflow = "right", "fold"
    for part in dict.fromkeys(part for stage in stages for part in stage.memory.parts):
        sizes = (stage.memory.parts.get(part, 0) / GIB for stage in stages)
        shown.add_row(part, *(f"{size:,.2f}" if size else "" for size in sizes))
    shown.add_row("in all", *(f"{stage.memory.peak / GIB:,.2f}" for stage in stages))
    shown.add_row("there is", *(f"{stage.usable / GIB:,.1f}" for stage in stages))
    return shown


def short(number: float | None) -> str:
    """A count in few characters: three digits and k, M, G or T. The whole of it is in ``--json``."""
    if not number:
        return ""
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= 0.9995 * unit:
            return f"{number / unit:.3g}{letter}" if number < 999.5 * unit else f"{number / unit:,.0f}{letter}"
    return f"{number:.3g}"

"""The command that says what a run will take."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from pipelines.cli.options import RECIPE, DataOption, JsonOption, RecipeArgument, app, out

GIB = 2**30


@app.command()
def plan(
    recipe: RecipeArgument = RECIPE,
    gpus: Annotated[
        str, typer.Option("--gpus", help="What it would run on: `8xH100`, `4090`, or `cpu`, which is this machine.")
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
        typer.Option("--price", min=0.0, help="US dollars for each GPU and hour. Default: hardware_table.yaml's."),
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
    work = Table(title=f"{found.recipe} on {where.label}: work")
    for head in ("stage", "parameters", "trained", "tokens", "steps", "PFLOP", "hours", "US$", "GiB on disk"):
        work.add_column(head, justify="left" if head == "stage" else "right")
    for stage in found.stages:
        counts = (f"{number:,}" if number else "" for number in (stage.parameters, stage.trainable))
        disk = sum(stage.disk.values()) / GIB
        work.add_row(
            f"{stage.name} ({stage.kind})",
            *counts,
            f"{stage.tokens:,.0f}" if stage.tokens else "",
            f"{stage.steps:,}" if stage.steps else "",
            f"{stage.flops / 1e15:,.3g}" if stage.flops else "",
            f"{stage.hours:,.3g}" if stage.hours else "",
            f"{stage.cost:,.2f}" if stage.cost else "",
            f"{disk:,.2f}" if disk else "",
        )
    out.print(work)
    out.print(memory_table(found.stages, where.kind))
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
    """The parts of each stage's memory at the moment when there is most, in GiB."""
    with_memory = [stage for stage in stages if stage.memory is not None]
    parts = dict.fromkeys(part for stage in with_memory for part in stage.memory.parts)
    shown = Table(title=f"memory at its peak, GiB {'for each GPU' if kind == 'gpu' else 'of this machine'}")
    shown.add_column("stage")
    for head in (*parts, "in all", "there is"):
        shown.add_column(head, justify="right")
    for stage in with_memory:
        sizes = [stage.memory.parts.get(part, 0) / GIB for part in parts]
        shown.add_row(
            stage.name,
            *(f"{size:,.2f}" if size else "" for size in sizes),
            f"{stage.memory.peak / GIB:,.2f}",
            f"{stage.usable / GIB:,.1f}",
        )
    return shown

"""The command that writes a recipe as a job of a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from corpora.disk import check_target, writing
from pipelines.cli.options import (
    RECIPE,
    LaunchOption,
    NodesOption,
    ProcessesOption,
    RecipeArgument,
    RunOption,
    app,
    launched,
    out,
)

ThereOption = Annotated[
    Path | None, typer.Option("--data", help="Folder that holds the published datasets, on the machines that run it.")
]


@app.command()
def launch(
    recipe: RecipeArgument = RECIPE,
    to: Annotated[str, typer.Option("--to", help="`slurm` or `skypilot`.")] = "slurm",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")] = None,
    run: RunOption = None,
    data: ThereOption = None,
    strategy: LaunchOption = None,
    processes: ProcessesOption = None,
    nodes: NodesOption = None,
) -> None:
    """Write RECIPE as a task file for a cluster: devices, setup, and the command, which goes on after preemption.

    Examples: `osler launch my-recipe.yaml --to slurm -o job.sh` · `osler launch my-recipe.yaml --to skypilot -o task.yaml`
    """
    from pipelines.config import load_recipe

    loaded = launched(load_recipe(recipe), strategy, processes, nodes)
    from pipelines.launching.task_files import SUBMIT, task_file

    file = output or Path(f"osler-{loaded.name}.{'yaml' if to == 'skypilot' else 'sh'}")
    text = task_file(loaded, recipe, to, file, run or Path("runs") / loaded.name, data)
    check_target(file, mark="written by `osler launch`")
    with writing(file) as stream:
        stream.write(text)
    out.print(f"{file} is written; start it with: {SUBMIT[to]} {file}", markup=False, soft_wrap=True)

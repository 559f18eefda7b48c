"""A recipe as a job of a cluster: task files for Slurm (https://slurm.schedmd.com/sbatch.html) and SkyPilot
(https://docs.skypilot.co/en/latest/reference/yaml-spec.html).

A file asks for the devices of the recipe's ``launch`` block and runs the recipe's own command on each machine. What a
cut-off job has done stays in the run's folder, and the same command goes on from there.
"""  # noqa: D205

from __future__ import annotations

import math
import shlex
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from corpora.catalog import load_catalog
from pipelines.checks import check_shares
from pipelines.config import Recipe, RecipeError, named_corpora

TEMPLATES = Path(__file__).parent / "tasks"
SCHEDULERS = {"slurm": "slurm.sh.jinja", "skypilot": "skypilot.yaml.jinja"}
SUBMIT = {"slurm": "sbatch", "skypilot": "sky jobs launch"}
PORT = 29500  # torchrun's own
SKYPILOT_RUNS = "/osler-runs"  # where a task mounts the folder of its runs


def task_file(recipe: Recipe, given: str, scheduler: str, file: Path, run_dir: Path, data_dir: Path | None) -> str:
    """The text of a task file that runs a recipe.

    Args:
        recipe: with its ``launch`` block.
        given: its name or path, as the command names it.
        scheduler: ``slurm`` or ``skypilot``.
        file: where the text will be, for the line that says how to start it.
        run_dir: folder of the artifacts; with Slurm on a disk that all machines see. SkyPilot mounts one of its own.
        data_dir: folder of the published datasets, if the recipe names any.

    Raises:
        RecipeError: there is no ``launch`` block, it does not fit a stage, the scheduler is unknown, or no folder was given for the published
            datasets that the recipe reads.
    """
    if scheduler not in SCHEDULERS:
        raise RecipeError(f"--to {scheduler}: a task file is for one of: {', '.join(SCHEDULERS)}")
    launch = recipe.launch
    if launch is None:
        raise RecipeError(
            "how many devices to ask for? Give the recipe a `launch:` block, or --launch STRATEGY --processes N"
        )
    check_shares(recipe)
    read = dict.fromkeys(corpus.name for stage in recipe.stages.values() for corpus in named_corpora(stage))
    published = [name for name in read if name in load_catalog()]
    if published and data_dir is None:
        raise RecipeError(
            f"--data: the recipe reads {', '.join(published[:3])}{' and more' if published[3:] else ''}; name the folder that holds "
            f"them, on a disk that all machines see{f', as {SKYPILOT_RUNS}/data' if scheduler == 'skypilot' else ''}"
        )
    if scheduler == "skypilot" and launch.gpu is None:
        raise RecipeError("launch.gpu: SkyPilot asks for a kind of GPU; name one, as h100")
    place = f"{SKYPILOT_RUNS}/{recipe.name}" if scheduler == "skypilot" else str(run_dir)
    words = ["osler", "reproduce", given, "--run", place, "--launch", launch.strategy]
    words += ["--processes", str(launch.processes), "--nodes", str(launch.nodes)]
    words += ["--data", str(data_dir)] if data_dir is not None else []
    command = shlex.join(words)
    if scheduler == "slurm":  # each machine's own shell knows which one it is
        command = shlex.quote(f"OSLER_NODE_RANK=$SLURM_NODEID exec {command}")
    minutes = math.ceil(launch.hours * 60)
    template = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False).from_string(
        (TEMPLATES / SCHEDULERS[scheduler]).read_text(encoding="utf-8")
    )
    return template.render(
        launch=launch,
        recipe=given,
        name=f"osler-{recipe.name}",
        file=str(file),
        time=f"{minutes // 60:02}:{minutes % 60:02}:00",
        run_dir=SKYPILOT_RUNS,
        port=PORT,
        command=command if scheduler == "slurm" else f".venv/bin/{command}",
    )

"""What can be done with a run that has ended: commands that work as they are printed, from the folder that the run was started in."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path

from pipelines.config import Recipe
from pipelines.curves import TRACKIO

QUESTION = "What is asthma?"  # for a recipe that asks nothing


def program() -> str:
    """``osler`` as a shell finds it: its file where it is not on the path, as after ``make reproduce`` without an activated environment."""
    started, on_path = Path(sys.argv[0]), shutil.which("osler")
    if started.name != "osler":  # as from a notebook, by `python -m`
        started = Path(sys.executable).with_name("osler")
    if not started.is_file():
        return shlex.join([sys.executable, "-m", "pipelines.cli"])
    if on_path is not None and os.path.realpath(on_path) == os.path.realpath(started):
        return "osler"
    near = os.path.relpath(started)
    return shlex.quote(str(started) if near.startswith("..") else near)


def next_steps(recipe: Recipe, run_dir: Path, model: str | None, command: str) -> list[str]:
    """The lines that end a run.

    Args:
        recipe: the run's.
        run_dir: its folder.
        model: folder of the model that it served, or None.
        command: how ``osler`` is started.
    """
    steps = []
    if model is not None and recipe.serve is not None:
        place = shlex.quote(model)
        question = shlex.quote(" ".join(next(iter(recipe.serve.questions), QUESTION).split()))  # one line
        ends_options = "-- " if question.strip("'").startswith("-") else ""
        steps += [
            (f"ask -m {place} {ends_options}{question}", "starts vLLM (half a minute), asks, stops it"),
            (f"ui -m {place}", "a page to talk to it"),
            (f"eval {place} --chat", "examine it, asked as in a chat"),
        ]
    if (run_dir / TRACKIO).is_dir():
        steps.append((f"watch {shlex.quote(str(run_dir))}", "the curves of the run, in the browser"))
    width = max((len(words) for words, _ in steps), default=0)
    return [f"  {command} {words:<{width}}  # {told}" for words, told in steps]

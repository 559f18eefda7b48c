"""From a recipe's text to the commands that plan and run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from corpora.disk import write_whole
from corpora.errors import OslerError
from pipelines.board import opening, results
from pipelines.board.elsewhere import running_in
from pipelines.board.jobs import Job, answer_of, command_line
from pipelines.board.places import RECIPE_FILE, Places
from pipelines.board.reach import check_reach
from pipelines.bundled import recipe_names
from pipelines.config import Recipe
from pipelines.plan.devices import table

RECIPES = ".recipes"  # below the folder of runs: recipes that were planned and not started
# Kinds of stages up to which a run can go, and the command for each.
COMMANDS = {
    "cpt": "cpt",
    "mlm": "mlm",
    "sft": "sft",
    "preferences": "prefs",
    "dpo": "dpo",
    "kto": "kto",
    "orpo": "orpo",
    "reward": "reward",
    "grpo": "grpo",
}
COUNTS = (1, 2, 8)  # of GPUs that are offered; a recipe's hardware is among them


def hardware(here: str) -> list[tuple[str, str]]:
    """What a plan can be made for."""
    return [
        (here, "cpu"),
        *((f"{count}x{name}",) * 2 for name in table() for count in COUNTS),
        ("16xH100", "16xH100"),
        ("32xH100", "32xH100"),
    ]


def recipe_of(places: Places, name: object) -> Path:
    """The file of a run's recipe."""
    return places.run(name) / RECIPE_FILE


def _recipe(places: Places, text: str, open_to_others: bool) -> Recipe:
    recipe = opening.check(text)
    places.run(recipe.name)
    if open_to_others:
        check_reach(recipe, [places.runs, *([places.data] if places.data else [])])
    return recipe


def _data(places: Places) -> list[str]:
    return ["--data", str(places.data)] if places.data is not None else []


def plan(places: Places, text: str, gpus: str, open_to_others: bool = False) -> tuple[dict[str, Any], str]:
    """What `osler plan --json` says of a recipe, and the command.

    Raises:
        OslerError: the text is no recipe, or as the command.
    """
    recipe = _recipe(places, text, open_to_others)
    bundled = next(
        (name for name in (recipe.name,) if name in recipe_names() and opening.open_bundled(name) == text), None
    )
    target = bundled
    if target is None:
        path = places.runs / RECIPES / f"{recipe.name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text)
        target = str(path)
    words = ["plan", target, "--gpus", gpus, *_data(places)]
    return results.answers(answer_of([*words, "--json"])), command_line(words)


def start(places: Places, text: str, until: str = "", open_to_others: bool = False) -> str:
    """Writes a recipe into its run's folder and starts the command that runs it; returns the run's name.

    Raises:
        OslerError: the text is no recipe, or the run goes on already.
    """
    recipe = _recipe(places, text, open_to_others)
    job = places.training(recipe.name)
    run = places.run(recipe.name)
    path = recipe_of(places, recipe.name)
    words = [COMMANDS.get(until, "reproduce"), str(path), "--run", str(run), *_data(places)]

    def write() -> None:
        write_whole(path, text)

    start_alone(job, words, run, write)
    return recipe.name


def start_alone(job: Job, words: list[str], run: Path, before: Callable[[], None] = lambda: None) -> None:
    """Starts a command that runs a recipe, unless one runs in the folder already, of a board or of a terminal.

    Raises:
        OslerError: one does.
    """

    def check_then() -> None:
        process = running_in(run)
        if process is not None:
            raise OslerError(
                f"process {process} runs a recipe in {run} already; let it end, or stop it with `kill -TERM {process}`"
            )
        before()

    job.start(words, before=check_then)

"""Runs that go on without the board, as one that was started in a terminal: no second one may write beside it."""

from __future__ import annotations

from pathlib import Path

import psutil

from corpora.errors import OslerError
from pipelines.config import load_layers, recipe_path

RUNNING = {"reproduce", "cpt", "mlm", "sft", "prefs", "dpo", "kto", "orpo", "reward", "grpo", "synthesise"}
DEFAULT = "nano"  # the recipe where none is named
PLACES = 4  # of a command line in which the program's name can stand: python -m pipelines.cli


def running_in(run: Path) -> int | None:
    """The id of a process of this machine's user that runs a recipe in the folder, if there is one."""
    wanted = run.resolve()
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if not any(word == "pipelines.cli" or Path(word).name == "osler" for word in words[:PLACES]):
            continue
        try:
            if folder_of(words, Path(process.cwd())) == wanted:
                return int(process.pid)
        except psutil.Error:
            continue
    return None


def folder_of(words: list[str], where: Path) -> Path | None:
    """The folder that a command line runs its recipe in, given in the folder ``where``; None of one that runs none."""
    place = next((number for number, word in enumerate(words) if word in RUNNING), None)
    if place is None:
        return None
    rest = words[place + 1 :]
    for number, word in enumerate(rest):
        if word.startswith("--run="):
            return (where / word.removeprefix("--run=")).resolve()
        if word == "--run" and number + 1 < len(rest):
            return (where / rest[number + 1]).resolve()
    recipe = rest[0] if rest and not rest[0].startswith("-") else DEFAULT
    try:
        name = load_layers(recipe_path(recipe, where)).values.get("name")
    except OslerError:
        return None
    return (where / "runs" / str(name)).resolve()

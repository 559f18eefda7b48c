"""Where the board reads and writes: the folder of runs, the files brought to it, and nothing beside."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from corpora.errors import OslerError
from pipelines.artifact import MANIFEST, Artifact, load_artifact
from pipelines.board.jobs import JOBS, Job

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")
FILES = ".files"  # below the folder of runs: no run is called so
RECIPE_FILE = "recipe.yaml"


@dataclass(frozen=True)
class Places:
    """The folder of runs, and the folder of published datasets where there is one."""

    runs: Path
    data: Path | None = None

    def run(self, name: object) -> Path:
        """The folder of a run.

        Raises:
            OslerError: it is no name of a run, or its folder lies elsewhere.
        """
        if not isinstance(name, str) or not NAME.fullmatch(name) or name.endswith("."):
            raise OslerError(f"'{name}' is no name of a run: small letters, digits, and . _ - after the first")
        return self._inside(self.runs / name)

    def file(self, name: object) -> Path:
        """The place of a file of the user's own; only the last part of the name is taken, and of that letters and digits.

        Raises:
            OslerError: nothing is left of the name.
        """
        last = re.split(r"[/\\]", str(name))[-1]
        stem = re.sub(r"[^\w.-]+", "-", last).strip(".-")[-80:].lower()
        if not stem:
            raise OslerError(f"'{name}' is no name of a file")
        return self._inside(self.runs / FILES / stem)

    def _inside(self, path: Path) -> Path:
        """The path, if nothing on it leads out of the folder of runs by a link."""
        if not path.resolve().is_relative_to(self.runs.resolve()):
            raise OslerError(f"{path}: leads out of {self.runs}")
        return path

    def names(self) -> list[str]:
        """Runs that are there, the newest first."""
        found = [path for path in self.runs.glob("*") if NAME.fullmatch(path.name) and _is_run(path)]
        return [path.name for path in sorted(found, key=lambda path: -path.stat().st_mtime)]

    def training(self, name: object) -> Job:
        """The job that runs the recipe of a run."""
        return self.job(name, "train")

    def job(self, name: object, what: str) -> Job:
        """A job of a run, as ``train``, ``serve`` or ``eval-final``."""
        if not NAME.fullmatch(what):
            raise OslerError(f"'{what}' is no name of a job")
        return Job(self.run(name) / JOBS / what)

    def files(self) -> list[str]:
        """Names of the corpora that were brought, as a recipe names them."""
        return sorted(
            str(path) for path in (self.runs / FILES).glob("*.jsonl") if not path.name.endswith(".dropped.jsonl")
        )


def _is_run(path: Path) -> bool:
    try:
        return path.is_dir() and (
            (path / JOBS).is_dir() or (path / "tensorboard").is_dir() or any(path.glob(f"*/{MANIFEST}"))
        )
    except OSError:
        return False


@functools.lru_cache(maxsize=256)
def finished(folder: Path, changed: float) -> Artifact | None:
    """A finished stage as it was at that time: a page looks every few seconds, and an exam's manifest is long."""
    return load_artifact(folder)


def models(run: Path) -> list[str]:
    """Stages of a run that have left a model."""
    return sorted(
        (
            path.parent.parent.name
            for path in run.glob("*/model/config.json")
            if (path.parent.parent / MANIFEST).is_file()
        ),
        key=lambda name: (run / name / MANIFEST).stat().st_mtime,
    )

"""A stage's folder to write in, as a run makes it."""

from pathlib import Path

from pipelines.artifact import Draft


def fresh(folder: Path) -> Draft:
    folder.mkdir(parents=True)
    made = Draft(folder)
    made.checkpoints.mkdir()
    return made

"""What is checked before anything is computed."""

from pathlib import Path

import pytest

import pipelines.reproduce
from corpora.errors import DataError
from pipelines.config import RecipeError, load_recipe

SMALL = Path(__file__).parents[1] / "recipes" / "small.yaml"


def test_too_little_disk_is_said_before_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        pipelines.reproduce.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10 * 2**20})()
    )
    with pytest.raises(RecipeError, match=r"GiB are free and the run needs about .* --run"):
        pipelines.reproduce.reproduce(load_recipe(str(SMALL)), tmp_path)
    assert not list(tmp_path.iterdir())


def test_missing_data_is_said_before_the_start(tmp_path: Path):
    with pytest.raises(DataError, match="--data"):
        pipelines.reproduce.reproduce(load_recipe("nano-base"), tmp_path)
    assert not list(tmp_path.iterdir())

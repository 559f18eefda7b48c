"""One small run of everything, shared by the tests of what it left."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[1] / "recipes" / "small.yaml"
OSLER = [sys.executable, "-m", "pipelines.cli"]


def osler(*words: str, expect: int = 0) -> str:
    """What the command says on both channels."""
    done = subprocess.run([*OSLER, *words], capture_output=True, text=True, check=False, timeout=580)
    assert done.returncode == expect, done.stderr[-3000:]
    return done.stdout + done.stderr


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    shutil.copy(RECIPE, folder / "small.yaml")
    said = osler("reproduce", str(folder / "small.yaml"), "--run", str(folder))
    assert "report:" in said
    return folder

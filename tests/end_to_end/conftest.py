"""The command ``osler``, and the recipe of the small run that the tests share (fixture ``run``)."""

import subprocess
import sys
from pathlib import Path

RECIPE = Path(__file__).parents[1] / "recipes" / "small.yaml"
OSLER = [sys.executable, "-m", "pipelines.cli"]


def osler(*words: str, expect: int = 0) -> str:
    """What the command says on both channels."""
    done = subprocess.run([*OSLER, *words], capture_output=True, text=True, check=False, timeout=580)
    assert done.returncode == expect, done.stderr[-3000:]
    return done.stdout + done.stderr

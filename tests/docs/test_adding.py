"""The walks of docs/adding.md: their diffs fit the code, and with them its commands give what the page shows."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.commands import ROOT

PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")
WALKS = dict(re.findall(r"^## (A \w+)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE))
ROOMS = ("corpora", "evals", "serving", "pipelines")
QUICK = ["A tool"]  # the others start torch


def blocks(walk: str, language: str) -> str:
    return "\n".join(re.findall(rf"^```{language}\n(.*?)^```$", WALKS[walk], re.DOTALL | re.MULTILINE))


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with the four diffs; the bundled model is linked and not copied."""
    folder = tmp_path_factory.mktemp("code")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__", "osler-nano-base"))
    models = Path("pipelines/models/osler-nano-base")
    (folder / models).symlink_to(ROOT / models)
    for walk in WALKS:
        # Lines nearby may have changed since; those that are changed may not.
        subprocess.run(
            ["git", "apply", "-C1", "--unsafe-paths", f"--directory={folder}", "-"],
            input=blocks(walk, "diff"),
            text=True,
            check=True,
            cwd=folder,
        )
    return folder


def follow(walk: str, code: Path, folder: Path) -> None:
    """Runs the walk's commands in a shell and looks for the lines that it shows."""
    bin_folder = folder / "bin"
    bin_folder.mkdir()
    osler = bin_folder / "osler"
    osler.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipelines.cli "$@"\n', encoding="utf-8")
    osler.chmod(0o755)
    environment = {
        **os.environ,
        "PYTHONPATH": str(code),
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "COLUMNS": "150",
    }
    done = subprocess.run(
        ["sh", "-eu", "-c", blocks(walk, "sh")],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=environment,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said[-3000:]
    shown = blocks(walk, "text").splitlines()
    assert len(shown) >= 2
    assert not [line for line in shown if line not in said], said


def test_there_are_four_walks():
    assert list(WALKS) == ["A dataset", "A benchmark", "A stage", "A tool"]


@pytest.mark.parametrize("walk", QUICK)
def test_a_quick_walk_leads_where_it_says(walk: str, changed: Path, tmp_path: Path):
    follow(walk, changed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("walk", [walk for walk in WALKS if walk not in QUICK])
def test_a_longer_walk_leads_where_it_says(walk: str, changed: Path, tmp_path: Path):
    follow(walk, changed, tmp_path)

"""What the other machines of a run see of the first one, by a process that holds the run's folder and is ended in each way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import pipelines.launching.launch
import pipelines.locking
from corpora.errors import OslerError
from pipelines.artifact import drafting
from pipelines.launching.accelerate import Node
from pipelines.launching.launch import join
from pipelines.locking import Leader, alone_in
from pipelines.training.sharding import LaunchError

HOLDS = """
import sys
from pathlib import Path
import pipelines.locking
pipelines.locking.BEAT_SECONDS = 0.05
with pipelines.locking.alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def first(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A first machine at work in ``tmp_path``; it ends when its input does."""
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def seen(leader: Leader) -> bool:
    return within(5, lambda: not leader.gone() and leader.seen)


def test_a_first_machine_that_ends_is_gone_once_its_folders_must_have_been_seen(
    tmp_path: Path, first: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
):
    leader = Leader(tmp_path)
    assert seen(leader)
    first.communicate("")
    assert not leader.gone()
    monkeypatch.setattr(pipelines.locking, "SETTLED_SECONDS", 0.2)
    assert within(1, leader.gone)


def test_what_the_first_machine_finished_last_is_found_though_the_disk_shows_it_late(
    tmp_path: Path, first: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
):
    """On NFS the mark of its end may be seen before the folder that was renamed before it."""
    monkeypatch.setattr(pipelines.launching.launch, "POLL_SECONDS", 0.05)
    leader, given = Leader(tmp_path), {"stage": "sft", "config": {}}
    assert seen(leader)
    first.communicate("")
    with drafting(tmp_path / "late", "sft", given):
        pass
    shown = threading.Timer(0.5, (tmp_path / "late").rename, [tmp_path / "sft"])
    shown.start()
    done = join(None, Node(1, "first:29500"), leader, tmp_path / "sft", "[1/2] sft", given)
    assert done.folder == tmp_path / "sft"


def test_a_folder_that_is_held_says_by_whom_or_that_nobody_knows(tmp_path: Path, first: subprocess.Popen[str]):
    for text, told in ((None, f"process {first.pid} runs"), ("ended\n", "process of an unknown id runs")):
        if text is not None:
            (tmp_path / ".lock").write_text(text)  # as in the moment before the lock is let go
        with pytest.raises(OslerError, match=told), alone_in(tmp_path):
            pass


def test_one_that_is_killed_is_gone_when_its_sign_stays_away(
    tmp_path: Path, first: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
):
    leader = Leader(tmp_path)
    assert seen(leader)
    first.kill()
    first.wait()
    assert not leader.gone()  # it may be slow
    monkeypatch.setattr(pipelines.locking, "LOST_SECONDS", 0.2)
    assert within(1, leader.gone)


def test_what_an_earlier_run_left_is_no_sign(tmp_path: Path, first: subprocess.Popen[str]):
    first.communicate("")
    leader = Leader(tmp_path)
    assert not any(leader.gone() for _ in range(3))
    assert not leader.seen


def test_a_machine_that_waits_ends_with_the_first(
    tmp_path: Path, first: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(pipelines.launching.launch, "POLL_SECONDS", 0.05)
    monkeypatch.setattr(pipelines.locking, "SETTLED_SECONDS", 0.2)
    leader = Leader(tmp_path)
    assert seen(leader)
    first.communicate("")
    with pytest.raises(LaunchError, match=r"\[1/2\] sft: the first machine has ended, or lost the disk .* to go on"):
        join(None, Node(1, "first:29500"), leader, tmp_path / "sft", "[1/2] sft", {"stage": "sft"})


def test_a_machine_that_waits_asks_whether_the_first_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Said once; then it goes on waiting."""
    monkeypatch.setattr(pipelines.launching.launch, "UNSEEN_SECONDS", 0.1)

    def wait(_: float) -> None:
        time.sleep(0.05)
        if time.monotonic() > end:
            raise KeyboardInterrupt

    end = time.monotonic() + 0.5
    monkeypatch.setattr(
        pipelines.launching.launch, "time", type("Clock", (), {"sleep": wait, "monotonic": time.monotonic})
    )
    with pytest.raises(KeyboardInterrupt):
        join(None, Node(1, "first:29500"), Leader(tmp_path), tmp_path / "sft", "[1/2] sft", {"stage": "sft"})
    said = " ".join(capsys.readouterr().err.split())
    assert said.count("still no sign of the first machine in") == 1
    assert "--node-rank 0" in said

"""Commands that the board starts: real processes that outlive it, are found again, are not started twice, and leave nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from corpora.errors import OslerError
from pipelines.board import curves, jobs
from pipelines.board.elsewhere import folder_of, running_in
from pipelines.board.jobs import Job
from pipelines.board.starting import start_alone
from pipelines.board.supervise import EXIT, supervise
from pipelines.board.views import stage_names

LONG = "import time\ntime.sleep(300)"


@pytest.fixture
def short_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder whose ``pipelines.board.supervise`` runs Python in the place of ``osler``, whose imports take seconds."""
    real = Path(jobs.__file__).parent / "supervise.py"
    package = tmp_path / "pipelines" / "board"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    text = real.read_text().replace('(sys.executable, "-m", "pipelines.cli")', '(sys.executable, "-c")')
    assert "-c" in text
    (package / "supervise.py").write_text(text)
    monkeypatch.chdir(tmp_path)  # `python -m` looks here first
    return tmp_path


def wait_until(true, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_command_is_found_again_stopped_once_and_gone_on_with(short_programs: Path):
    stopping = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(75))\nprint('ready', flush=True)\ntime.sleep(300)"
    job = Job(short_programs / "run" / "train")
    assert job.state == "none"
    job.start([stopping])
    found = Job(job.folder)  # as another board sees it
    assert found.state == "running"
    assert found.words == [stopping]
    wait_until(lambda: "ready" in found.tail())
    with pytest.raises(OslerError, match="running already"):
        found.start(["print()"])
    pid = int(found.stopping.split()[-1])
    assert psutil.Process(pid).ppid() != os.getpid()
    assert os.getsid(pid) != os.getsid(0)  # a Ctrl-C in the board's terminal does not reach it
    found.stop()
    wait_until(lambda: found.state == "stopped")
    assert found.code == 75
    job.start(["print('went on')"])
    wait_until(lambda: job.state == "finished")
    assert job.tail() == "went on"


def test_two_boards_at_once_start_one_process(short_programs: Path):
    refused: list[str] = []

    def start() -> None:
        try:
            Job(short_programs / "run").start([LONG])
        except OslerError as error:
            refused.append(str(error))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    Job(short_programs / "run").stop()
    wait_until(lambda: Job(short_programs / "run").state == "stopped")


def test_an_error_is_told_and_a_kill_is_an_interruption(short_programs: Path):
    job = Job(short_programs / "run")
    job.start(["import sys\nprint('error: stages.sft: no such thing')\nsys.exit(1)"])
    wait_until(lambda: job.state == "failed")
    assert "stages.sft" in job.tail()
    job.start([LONG])
    for who in ("supervisor", "process"):
        os.kill(json.loads((job.folder / "job.json").read_text())[who]["pid"], signal.SIGKILL)
    wait_until(lambda: job.state == "interrupted")


def test_another_process_of_the_same_id_is_not_taken_for_it(short_programs: Path):
    job = Job(short_programs / "run")
    job.start(["print()"])
    wait_until(lambda: job.state == "finished")
    told = json.loads((job.folder / "job.json").read_text())
    told["process"] = told["supervisor"] = {"pid": os.getpid(), "created": 1.0}
    (job.folder / "job.json").write_text(json.dumps(told))
    assert job.state == "finished"
    job.stop()  # which would end this test


def test_what_a_command_leaves_behind_is_ended(tmp_path: Path):
    """As a vLLM whose parent is stopped: it is in a session of its own, so that no signal to the group reaches it."""
    script = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'], start_new_session=True)\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\ntime.sleep(1.5)"
    )
    assert supervise(tmp_path, [script], (sys.executable, "-c")) == 0
    child = int((tmp_path / "child").read_text())
    wait_until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    assert json.loads((tmp_path / EXIT).read_text())["code"] == 0


def test_a_run_of_a_terminal_is_seen_and_none_is_started_beside_it(tmp_path: Path):
    run = tmp_path / "runs" / "nano"
    sleeping = [sys.executable, "-c", LONG, "pipelines.cli"]
    for words in (["reproduce", "--data", "x"], ["sft", "other", "--run", "runs/nano"], ["dpo", f"--run={run}"]):
        process = subprocess.Popen([*sleeping, *words], cwd=tmp_path)
        try:
            wait_until(lambda: running_in(run) is not None)
            assert running_in(run) == process.pid
            assert running_in(tmp_path / "runs" / "other") is None
            with pytest.raises(OslerError, match=f"process {process.pid} runs a recipe"):
                start_alone(Job(run / ".board" / "train"), ["reproduce"], run)
        finally:
            process.kill()
            process.wait()
    assert folder_of(["osler", "plan", "nano"], tmp_path) is None
    assert folder_of(["osler", "reproduce", "none"], tmp_path) is None


def test_a_log_is_its_last_lines_and_a_bar_its_last_state(tmp_path: Path):
    (tmp_path / "log.txt").write_bytes(b"one\n" + b"sft: 1%\rsft: 50%\rsft: 100%\n" + "发热\n".encode() + b"\xff\n")
    assert Job(tmp_path).tail(3) == "sft: 100%\n发热\n\ufffd"
    assert Job(tmp_path / "none").tail() == ""


def test_a_curve_that_went_back_to_a_checkpoint_has_each_step_once():
    events = [(1.0, 2, 5.0), (2.0, 4, 4.0), (3.0, 6, 3.0), (9.0, 4, 3.5), (10.0, 6, float("nan")), (11.0, 8, 2.0)]
    assert curves.newest(events) == [(2, 5.0), (4, 3.5), (8, 2.0)]
    many = [(step, float(step)) for step in range(10_000)]
    assert len(curves.thinned(many)) <= curves.MOST_POINTS + 1
    assert curves.thinned(many)[-1] == many[-1]


def test_a_failing_command_says_its_own_words():
    with pytest.raises(OslerError, match="no recipe is called 'nanno'; did you mean 'nano'"):
        jobs.answer_of(["recipe", "show", "nanno"])


def test_a_run_that_was_copied_has_its_stages_and_curves_in_order(tmp_path: Path):
    names = ["cpt", "sft", "dpo", "serve"]
    (tmp_path / "report.json").write_text(
        json.dumps({"recipe": {"stages": {"cpt": {}, "sft": {}, "dpo": {}}, "serve": {"model": "dpo"}}})
    )
    for place, name in enumerate(names):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text("{}")
        os.utime(tmp_path / name / "manifest.json", (900 - place, 900 - place))  # the later stage's file is the older
        if name != "serve":
            events = tmp_path / "tensorboard" / name / f"events.out.tfevents.{1000 + place}.vm.7.0"
            events.parent.mkdir(parents=True)
            events.write_bytes(b"")
            os.utime(events, (900 - place, 900 - place))
    assert stage_names(tmp_path) == names
    assert curves.trained_stages(tmp_path) == names[:3]

"""A step of datatrove ends with all of its tasks done, or says which are not; a killed worker costs its own task only."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from datatrove.pipeline.base import PipelineStep

from corpora.errors import DataError
from corpora.scale import run_pipeline

LAUNCHER = Path(sys.executable).with_name("launch_pickled_pipeline")


class Write(PipelineStep):
    """Each task writes a file; the second is killed, or fails, the first time."""

    name, type = "write", "test"

    def __init__(self, folder: Path, mishap: str = "") -> None:
        super().__init__()
        self.folder, self.mishap = folder, mishap

    def run(self, data, rank: int = 0, world_size: int = 1):
        first = self.folder / f"tried-{rank}"
        if rank == 1 and self.mishap and not first.exists():
            first.touch()
            if self.mishap == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if self.mishap == "slow":
                time.sleep(60)
            raise ValueError("a mishap in the second task")
        (self.folder / f"written-{rank}").write_text(str(os.getpid()))
        yield from ()


@pytest.mark.parametrize("mishap", ["killed", "raised"])
def test_a_worker_that_dies_costs_its_own_task_only(tmp_path: Path, mishap: str):
    step, logs = Write(tmp_path, mishap), tmp_path / "logs"
    with pytest.raises(DataError, match=r"write: 1 of 3 tasks were not done \(1\)"):
        run_pipeline([step], 3, "write", logs, "local", {"workers": 2})
    before = {rank: (tmp_path / f"written-{rank}").stat().st_mtime_ns for rank in (0, 2)}
    if mishap == "raised":
        assert "a mishap in the second task" in (logs / "write" / "logs" / "task_00001.log").read_text()
    run_pipeline([step], 3, "write", logs, "local", {"workers": 2})
    assert (tmp_path / "written-1").exists()
    assert before == {rank: (tmp_path / f"written-{rank}").stat().st_mtime_ns for rank in (0, 2)}


def test_the_workers_of_a_run_that_was_killed_end_with_it(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from corpora.scale import run_pipeline; "
        "from tests.corpora.test_scale import Write; folder = Path(sys.argv[1]); "
        "run_pipeline([Write(folder, 'slow')], 2, 'write', folder / 'logs', 'local', {'workers': 2})"
    )
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 30
    while not (tmp_path / "tried-1").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(run.pid).children(recursive=True)
    assert children
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_an_unknown_option_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"options: .*'worker'.* arguments of datatrove's executor for local"):
        run_pipeline([Write(tmp_path)], 1, "write", tmp_path / "logs", "local", {"worker": 2})

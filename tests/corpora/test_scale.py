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

ROOT = Path(__file__).parents[2]

# As much of Slurm as datatrove calls: the tasks of a job one after the other, on this machine.
SLURM = {
    "sbatch": """
for script; do :; done
copy=$(mktemp) && cp "$script" "$copy"
tasks() {
    last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$copy")
    for task in $(seq 0 "$last"); do SLURM_ARRAY_TASK_ID=$task SLURM_NODELIST=here sh "$copy"; done
}
echo Submitted batch job 1
if grep -q '^#SBATCH --wait$' "$copy"; then tasks >/dev/null 2>&1; else (sleep 5; tasks) >/dev/null 2>&1 & fi
""",
    "srun": """
while [ "${1#-}" != "$1" ]; do [ "$1" = -n ] && shift; shift; done
exec "$@"
""",
    "scontrol": "echo here",
}


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
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT)
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


def test_a_step_on_slurm_ends_when_its_tasks_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "bin").mkdir()
    for name, script in SLURM.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{script}")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    run_pipeline([Write(tmp_path)], 2, "write", tmp_path / "logs", "slurm", {"time": "00:10:00", "partition": "cpu"})
    assert [(tmp_path / f"written-{rank}").exists() for rank in (0, 1)] == [True, True]

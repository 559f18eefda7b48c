"""However many work at a curation and wherever, its bytes are the same; who is killed costs one shard."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import psutil
import pytest
from datatrove.pipeline.base import PipelineStep

from corpora.bundled.render import render
from corpora.curate.clean import Cleaning, Quality
from corpora.curate.decontaminate import benchmark_items
from corpora.curate.dedup import Deduplication
from corpora.curate.executor import Scale, WatchedExecutor, resumable, run_tasks
from corpora.curate.flow import Curated, Decontamination, Settings, curate, curate_files
from corpora.curate.language import Languages
from corpora.curate.shards import shard
from corpora.errors import DataError
from corpora.importing import stream_file
from corpora.records import Document
from tests.interrupted import cut_after_one_removal


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bundled documents of two renderings, so that many are near duplicates, and some of them again as they are."""
    documents = [one for seed in (1, 2) for one in render("bundled-documents", seed=seed) if isinstance(one, Document)]
    lines = [one.model_dump_json() for one in [*documents, *documents[:50]]]
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> list[Settings]:
    exam = tmp_path_factory.mktemp("exam") / "exam.jsonl"
    exam.write_text("\n".join(one.model_dump_json() for one in list(render("bundled-exam", seed=0))[:50]))
    return [
        Cleaning(),
        Languages(),
        Quality(quality={"min_doc_words": 20, "min_stop_words": 1}, repetition=None),
        Deduplication(),
        Decontamination(benchmarks={"exam": list(benchmark_items(str(exam), None))}),
    ]


def result(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


@pytest.fixture(scope="module")
def alone(rows: Path, steps: list[Settings], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one worker makes."""
    to = tmp_path_factory.mktemp("alone")
    made = curate_files([rows], steps, to, Scale(shards=3))
    assert all(step.received == step.kept + sum(step.dropped.values()) for step in made.waterfall)
    assert made.waterfall[4].dropped["the same as another"] >= 50
    assert made.waterfall[4].dropped["nearly the same as another"] > 0
    return result(to)


def test_two_workers_make_the_bytes_of_one(rows: Path, steps: list[Settings], alone: dict[str, bytes], tmp_path: Path):
    curate_files([rows], steps, tmp_path / "out", Scale(shards=3, options={"workers": 2}))
    assert result(tmp_path / "out") == alone


@pytest.mark.long
def test_a_ray_cluster_makes_the_bytes_of_one(
    rows: Path, steps: list[Settings], alone: dict[str, bytes], tmp_path: Path
):
    ray = pytest.importorskip("ray")
    try:
        options = {"workers": 2, "tasks_per_job": 7, "mem_per_cpu_gb": 0.1, "cluster": {"num_cpus": 2}}
        curate_files([rows], steps, tmp_path / "out", Scale(shards=3, executor="ray", options=options))
    finally:
        ray.shutdown()
    assert result(tmp_path / "out") == alone


SBATCH = """#!/bin/bash
# Runs each task of the array of a batch file, as Slurm would, one after the other in the background.
file="${@: -1}"; copy=$(mktemp); cp "$file" "$copy"
job=$RANDOM
array=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$copy")
grep -q merge_stats "$copy" && array=-1
touch "$SLURM_STAND_IN/$job"
(for task in $(seq 0 $array); do
  SLURM_ARRAY_TASK_ID=$task SLURM_NODELIST=localhost SLURM_JOB_ID=$job bash "$copy"
done; rm "$SLURM_STAND_IN/$job") >> "$SLURM_STAND_IN/log" 2>&1 &
echo "Submitted batch job $job"
"""
SQUEUE = """#!/bin/bash
ls "$SLURM_STAND_IN" | grep -x "${@: -1}"
"""
SRUN = """#!/bin/bash
while [[ "$1" == -* || "$1" =~ ^[0-9]+$ ]]; do shift; done
exec "$@"
"""


SCONTROL = """#!/bin/bash
echo "${@: -1}"
"""


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with Slurm's commands: they run what they are given, here."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    (tmp_path / "queue").mkdir()
    for name, text in (("sbatch", SBATCH), ("squeue", SQUEUE), ("srun", SRUN), ("scontrol", SCONTROL)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SLURM_STAND_IN", str(tmp_path / "queue"))
    monkeypatch.setattr("corpora.curate.executor.SLURM_WAIT", 0.2)
    return folder


@pytest.mark.slow
def test_slurm_makes_the_bytes_of_one(
    rows: Path, steps: list[Settings], alone: dict[str, bytes], slurm: Path, tmp_path: Path
):
    options = {"time": "1:00:00", "partition": "cpu", "with_srun": True}
    curate_files([rows], steps, tmp_path / "out", Scale(shards=3, executor="slurm", options=options))
    assert result(tmp_path / "out") == alone


def test_a_job_that_slurm_lost_is_an_error_and_what_is_done_stays(rows: Path, slurm: Path, tmp_path: Path):
    (slurm / "srun").write_text("#!/bin/bash\nexit 1\n")
    scale = Scale(shards=2, executor="slurm", options={"time": "1:00:00", "partition": "cpu"})
    with pytest.raises(DataError, match=r"2 of 2 shards were not finished .* run again"):
        curate_files([rows], [Cleaning()], tmp_path / "out", scale)
    assert (tmp_path / "out" / "work" / "00-read" / "00001.jsonl").is_file()
    with pytest.raises(DataError, match=r"time.* the keys are the arguments of datatrove's slurm executor"):
        curate_files([rows], [Cleaning()], tmp_path / "out", Scale(executor="slurm"))


def killed_once(folder: Path, then: signal.Signals) -> None:
    """Kills the first process that works at a shard, once it has begun."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        begun = list(folder.glob("begun-*"))
        if begun:
            psutil.Process(int(begun[0].read_text())).send_signal(then)
            return
        time.sleep(0.01)


def test_a_killed_worker_costs_one_shard(rows: Path, tmp_path: Path):
    class Work(PipelineStep):
        type, name = "test", "work"

        def __init__(self, folder: str) -> None:
            super().__init__()
            self.folder = folder

        def run(self, data, rank=0, world_size=1):
            tries = Path(self.folder) / f"tries-{rank}"
            with tries.open("a") as told:
                told.write("x")
            begun = Path(self.folder) / f"begun-{rank}"
            if rank == 1 and not begun.exists():
                begun.with_suffix(".new").write_text(str(os.getpid()))
                begun.with_suffix(".new").rename(begun)
                time.sleep(60)
            (Path(self.folder) / f"out-{rank}").write_text(str(rank))

    watcher = Thread(target=killed_once, args=(tmp_path, signal.SIGKILL))
    watcher.start()
    run_tasks([Work(str(tmp_path))], 5, "work", tmp_path / "logs", Scale(options={"workers": 2}))
    watcher.join()
    assert [(tmp_path / f"tries-{rank}").read_text() for rank in range(5)] == ["x", "xx", "x", "x", "x"]
    assert [(tmp_path / f"out-{rank}").read_text() for rank in range(5)] == list("01234")


def test_a_shard_that_kills_its_worker_each_time_is_named(tmp_path: Path):
    class Deadly(PipelineStep):
        type, name = "test", "deadly"

        def run(self, data, rank=0, world_size=1):
            if rank == 2:
                os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(DataError, match=r"the process of shard 2 was killed 3 times \(signal 9\)"):
        run_tasks([Deadly()], 3, "work", tmp_path, Scale(options={"workers": 2}))
    left = WatchedExecutor([Deadly()], tasks=3, logging_dir=str(tmp_path / "work")).get_incomplete_ranks()
    assert left == [2]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_told_as_it_is(tmp_path: Path, workers: int):
    lines = tmp_path / "work" / "00-read"
    lines.mkdir(parents=True)
    (lines / "whole").touch()
    shard(lines, 0).write_text('{"id": "a", "text": "one"}\n')
    shard(lines, 1).write_text('{"id": "b", "text": "two"}\n')
    with pytest.raises(DataError, match="'tlh' is none of the languages"):
        curate([], [Languages(keep=["tlh"])], tmp_path / "work", Scale(shards=2, options={"workers": workers}))


def test_a_second_try_goes_on_from_the_shards_that_are_done(rows: Path, tmp_path: Path):
    work, steps = tmp_path / "work", [Cleaning(), Deduplication()]

    def tried() -> Curated:
        return curate(stream_file(rows), steps, work, Scale(shards=3))

    first = tried()
    kept = list(first.lines())
    done = {path: path.stat().st_mtime_ns for path in work.rglob("*.jsonl")} | {
        path: path.stat().st_mtime_ns for path in work.rglob("*.sig")
    }
    # As if the last shard of the last phase had been cut off.
    for mark in work.rglob("filter/completions/00002"):
        mark.unlink()
    shard(work / "02-0-dedup", 2).unlink()
    assert list(tried().lines()) == kept
    again = {path: path.stat().st_mtime_ns for path in done}
    changed = {path.name for path in done if again[path] != done[path]}
    assert changed == {"00002.jsonl"}


def test_signatures_that_a_killed_worker_left_half_written_are_written_again(rows: Path, tmp_path: Path):
    work = tmp_path / "work"

    def kept() -> list[str]:
        return list(curate(stream_file(rows), [Deduplication()], work, Scale(shards=2)).lines())

    whole = kept()
    inner = work / "01-0-dedup-work"
    for phase in ("signatures", "buckets", "clusters", "filter"):
        for mark in (inner / "logs" / phase / "completions").glob("*"):
            if phase != "signatures" or mark.name == "00001":
                mark.unlink()
    # All cut at the same record, as a killed writer may leave them.
    for path in (inner / "signatures").glob("bucket_*/00001.minhash.sig"):
        size = path.stat().st_size
        os.truncate(path, size // 68 // 2 * 68)  # a record of datatrove's is 8 hashes of 8 bytes and a number of 4
    assert kept() == whole


def test_other_input_or_other_steps_begin_anew(rows: Path, tmp_path: Path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text(rows.read_text() + "\n{")
    with pytest.raises(DataError):
        curate_files([bad], [Cleaning()], tmp_path / "out", Scale())
    bad.write_text(json.dumps({"text": "Gout is a painful disease of the joints."}))
    made = curate_files([bad], [Cleaning()], tmp_path / "out", Scale())
    assert made.waterfall[0].received == 1
    assert len((tmp_path / "out" / "clean.jsonl").read_text().splitlines()) == 1


class Slow(PipelineStep):
    """Says that it has begun, and takes a minute."""

    name, type = "slow", "test"

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def run(self, data, rank: int = 0, world_size: int = 1):
        (self.folder / f"begun-{rank}").touch()
        time.sleep(60)
        yield from ()


def test_the_workers_of_a_run_that_was_killed_end_with_it(tmp_path: Path):
    code = (
        "import sys; from pathlib import Path; from corpora.curate.executor import Scale, run_tasks; "
        "from tests.corpora.test_scale import Slow; folder = Path(sys.argv[1]); "
        "run_tasks([Slow(folder)], 2, 'slow', folder / 'logs', Scale(shards=2, options={'workers': 2}))"
    )
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=Path(__file__).parents[2])
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun-1").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    children = psutil.Process(run.pid).children(recursive=True)
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert children
    assert not alive


def test_a_work_folder_whose_removal_was_cut_off_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    work = tmp_path / "work"
    resumable(work, ["a"])
    for name in ("shard-1", "shard-2"):
        (work / name).touch()
    with cut_after_one_removal(monkeypatch), pytest.raises(KeyboardInterrupt):
        resumable(work, ["b"])
    resumable(work, ["a"])  # what is left was made from this, but is not whole
    assert [path.name for path in work.iterdir()] == ["given.json"]

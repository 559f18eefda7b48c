"""Training in several processes makes the model that one process makes, goes on in any number of them, and ends as one."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from transformers import TrainerState

from corpora.errors import INTERRUPTED, STOPPED, Interrupted, Stopped
from pipelines.artifact import Artifact, load_artifact
from pipelines.checks import check_launch, check_shares
from pipelines.cli.options import launched
from pipelines.config import Launch, Recipe, RecipeError, load_recipe
from pipelines.data import Sources
from pipelines.inputs import Inputs
from pipelines.launching import launch as launching
from pipelines.launching.accelerate import Node, accelerate_arguments
from pipelines.launching.launch import _first_error, _run, write_error
from pipelines.launching.task_files import task_file
from pipelines.reproduce import given, reproduce
from pipelines.training.checkpoint import newest_whole
from pipelines.training.sharding import GlobalOrder, LaunchError, shared_out
from pipelines.training.worker import end_with_the_parent

WORDS = ["fever", "cough", "heart", "liver", "blood", "lungs", "skin", "water", "rest", "sleep", "pain", "dose"]


def wait_for(checkpoint: Path, process: subprocess.Popen) -> None:
    """Returns when the running process has written the checkpoint."""
    deadline = time.time() + 200
    while not checkpoint.is_dir():
        assert process.poll() is None
        assert time.time() < deadline
        time.sleep(0.01)


def recipe(tmp_path: Path, model: Path, kind: str, launch: Launch | None = None, **training: object) -> Recipe:
    """One stage of this kind with eight rows a step."""
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(
        "\n".join(
            json.dumps(
                {
                    "id": str(row),
                    "prompt": [{"role": "user", "content": f"What of {WORDS[row % 12]}?"}],
                    "chosen": " ".join(WORDS[: row % 7 + 2]),
                    "rejected": " ".join(WORDS[row % 5 : row % 5 + 4]),
                    "source": "test",
                }
            )
            for row in range(20)
        )
    )
    reads = {
        "cpt": {"corpora": [{"name": "bundled-documents", "limit": 60}], "sequence_length": 32},
        "sft": {"corpora": [{"name": "bundled-dialogues", "limit": 30}]},
        "kto": {"preferences": {"name": str(pairs)}},
        "dpo": {"preferences": {"name": str(pairs)}, "lora": {"r": 4}},
    }[kind]
    block = {
        "kind": kind,
        "model": "base",
        "global_batch": 8,
        "training": {
            "per_device_train_batch_size": 2,
            "max_steps": 6,
            "learning_rate": 0.003,
            "logging_steps": 1,
            "save_steps": 2,
            "report_to": [],
            **training,
        },
        **reads,
    }
    content = {"name": "small", "base_model": str(model), "stages": {kind: block}, "launch": launch}
    return Recipe.model_validate(content)


# In bfloat16 another number of processes, and other rows at a time, round otherwise, and the steps after carry it on: runs are
# compared in float32, whatever the machine computes fastest.
EXACT: dict[str, object] = {"bf16": False}


def losses(artifact: Artifact) -> list[float]:
    return [entry["loss"] for entry in artifact.metrics["losses"]]


def train(recipe: Recipe, run_dir: Path) -> Artifact:
    kind = next(iter(recipe.stages))
    return reproduce(recipe, run_dir, until_kind=kind)[kind]


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
@pytest.mark.parametrize("kind", ["cpt", "sft", "dpo"])
def test_two_processes_learn_as_one(tmp_path: Path, tiny_model: Path, kind: str, strategy: str):
    one = train(recipe(tmp_path, tiny_model, kind, **EXACT), tmp_path / "one")
    launch = Launch(strategy=strategy, processes=2)
    two = train(recipe(tmp_path, tiny_model, kind, launch, **EXACT), tmp_path / "two")
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)
    assert losses(one)[-1] < losses(one)[0] - 1e-3
    assert two.key == one.key
    assert two.metrics["tokens"] == one.metrics["tokens"]
    assert two.manifest["files"].keys() == one.manifest["files"].keys()
    assert two.metrics["launch"]["processes"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp2"])
def test_in_mixed_precision_the_loss_is_told_unrounded(tmp_path: Path, tiny_model: Path, strategy: str):
    one = train(recipe(tmp_path, tiny_model, "cpt", bf16=True), tmp_path / "one")
    two = train(
        recipe(tmp_path, tiny_model, "cpt", Launch(strategy=strategy, processes=2), bf16=True), tmp_path / "two"
    )
    assert losses(two) == pytest.approx(losses(one), abs=5e-3)
    # In bfloat16 a loss between 8 and 16 is a sixteenth's multiple, and a mean of four a sixty-fourth's.
    assert [loss for loss in losses(two) if loss * 1024 % 1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("before", "after"),
    [(("fsdp2", 2), ("fsdp2", 1)), (("fsdp2", 1), ("fsdp2", 2)), (("ddp", 2), ("ddp", 1)), (("ddp", 1), ("ddp", 2))],
)
def test_a_killed_run_goes_on_in_another_number_of_processes(tmp_path: Path, tiny_model: Path, before, after):
    steps: dict[str, object] = {"max_steps": 12, **EXACT}
    whole = train(recipe(tmp_path, tiny_model, "cpt", **steps), tmp_path / "whole")
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(recipe(tmp_path, tiny_model, "cpt", **steps).model_dump(mode="json")))
    run_dir = tmp_path / "cut"
    checkpoints = run_dir / "cpt.partial.checkpoints"
    options = ["--run", str(run_dir), "--launch", before[0], "--processes", str(before[1])]
    process = subprocess.Popen([sys.executable, "-m", "pipelines.cli", "cpt", str(file), *options])
    wait_for(checkpoints / "checkpoint-4", process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert load_artifact(run_dir / "cpt") is None
    deadline = time.time() + 20
    while workers_of(run_dir):  # none outlives its parent
        assert time.time() < deadline
        time.sleep(0.2)
    again = train(recipe(tmp_path, tiny_model, "cpt", Launch(strategy=after[0], processes=after[1]), **steps), run_dir)
    assert losses(again) == pytest.approx(losses(whole), abs=1e-4)
    assert again.metrics["tokens"] == whole.metrics["tokens"]


def workers_of(run_dir: Path) -> list[int]:
    """Processes whose command names the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if "pipelines.training.worker" in words and str(run_dir) in words:
            found.append(int(path.parent.name))
    return found


@pytest.mark.slow
def test_two_machines_meet_and_make_one_model(tmp_path: Path, tiny_model: Path):
    one = train(recipe(tmp_path, tiny_model, "cpt", **EXACT), tmp_path / "one")
    file = tmp_path / "small.yaml"
    file.write_text(json.dumps(recipe(tmp_path, tiny_model, "cpt", **EXACT).model_dump(mode="json")))
    options = ["--run", str(tmp_path / "two"), "--launch", "fsdp2", "--processes", "2", "--nodes", "2"]
    options += ["--rendezvous", "127.0.0.1:29511", "--node-rank"]
    command = [sys.executable, "-m", "pipelines.cli", "cpt", str(file), *options]
    machines = [subprocess.Popen([*command, str(rank)]) for rank in range(2)]
    assert [machine.wait(240) for machine in machines] == [0, 0]
    two = load_artifact(tmp_path / "two" / "cpt")
    assert two is not None
    assert losses(two) == pytest.approx(losses(one), abs=1e-4)


@pytest.mark.slow
def test_the_error_of_one_process_is_told_once_and_ends_all(tmp_path: Path, tiny_model: Path, capfd):
    broken = recipe(tmp_path, tiny_model, "sft", Launch(strategy="ddp", processes=2), learning_rate=1e30)
    with pytest.raises(LaunchError, match=r"sft: the .* is nan|sft: the .* is inf"):
        train(broken, tmp_path / "run")
    assert not workers_of(tmp_path / "run")
    assert "Traceback" not in capfd.readouterr().err
    assert "Traceback" in (tmp_path / "run" / "sft.partial.checkpoints" / "launch.log").read_text()


@pytest.mark.slow
def test_ctrl_c_saves_in_two_processes_as_in_one(tmp_path: Path, tiny_model: Path):
    file, run_dir = tmp_path / "small.yaml", tmp_path / "run"
    file.write_text(json.dumps(recipe(tmp_path, tiny_model, "cpt", max_steps=400, **EXACT).model_dump(mode="json")))
    options = ["--run", str(run_dir), "--launch", "ddp", "--processes", "2"]
    command = [sys.executable, "-m", "pipelines.cli", "cpt", str(file), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    checkpoints = run_dir / "cpt.partial.checkpoints"
    wait_for(checkpoints / "checkpoint-4", process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130, said
    assert "stopping after this step, with a checkpoint; Ctrl-C again stops at once" in said
    told = re.search(r"cpt: stopped by Ctrl-C at step (\d+) of 400 with a checkpoint", said)
    assert told is not None, said
    assert newest_whole(checkpoints) == checkpoints / f"checkpoint-{told[1]}"
    assert "Traceback" not in said
    assert not workers_of(run_dir)


# A program in the place of the launcher's processes: it tells the signal that it hears of by the pipe, and ends by it or goes on.
HEARS = """
import sys, time
from pathlib import Path
notes = Path(sys.argv[1])
(notes / "ready").touch()
heard = sys.stdin.buffer.read(1)
(notes / "heard").write_bytes(heard)
sys.exit(1) if sys.argv[2] == "ends" else sys.stdin.buffer.read()
"""


def pressed(notes: Path, number: signal.Signals, times: int, then: str) -> int:
    """What ``_run`` returns when this process is sent a signal while the program runs: once it is ready, and when it has heard of it."""

    def press() -> None:
        for name in ("ready", "heard")[:times]:
            while not (notes / name).exists():
                time.sleep(0.01)
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=press)
    before = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # where tests run in the background, it is ignored
    thread.start()
    try:
        return _run([sys.executable, "-c", HEARS, str(notes), then], dict(os.environ), notes)
    finally:
        signal.signal(signal.SIGINT, before)
        thread.join()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, STOPPED)])
def test_the_processes_hear_of_a_signal_and_end_by_themselves(tmp_path: Path, number: signal.Signals, code: int):
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    assert pressed(tmp_path, number, 1, "ends") == code
    assert (tmp_path / "heard").read_bytes() == bytes([number])
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_ctrl_c_ends_the_processes_at_once(tmp_path: Path):
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pressed(tmp_path, signal.SIGINT, 2, "goes on")
    assert time.monotonic() - started < launching.GRACE_SECONDS


@pytest.mark.parametrize(
    ("error", "raised"),
    [(Interrupted("stopped at step 5"), Interrupted), (Stopped("stopped at step 5"), Stopped), (None, Interrupted)],
)
def test_who_stopped_is_told_as_the_processes_say_it(tmp_path: Path, monkeypatch, error: Stopped | None, raised: type):
    def ended(_command: list[str], _environment: dict[str, str], notes: Path) -> int:
        if error is not None:
            write_error(notes, 0, error)
        return INTERRUPTED

    monkeypatch.setattr(launching, "_run", ended)
    with pytest.raises(Stopped) as caught:
        launching.start(Launch(processes=2), tmp_path, Node())
    assert type(caught.value) is raised
    assert str(caught.value).startswith("stopped at step 5" if error else "stopped by Ctrl-C, not while training")


@pytest.mark.parametrize(("heeded", "status"), [(True, 7), (False, -signal.SIGTERM)])
def test_a_process_heeds_ctrl_c_while_it_trains_and_ends_by_it_at_other_times(heeded: bool, status: int):
    ours, theirs = os.pipe()[::-1]
    process = os.fork()
    if not process:
        try:
            signal.signal(signal.SIGINT, (lambda *_: os._exit(7)) if heeded else signal.default_int_handler)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever ran before in pytest's process
            os.dup2(theirs, 0)
            end_with_the_parent()
            time.sleep(30)
        finally:
            os._exit(1)
    os.write(ours, bytes([signal.SIGINT]))
    try:
        assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == status
    finally:
        os.close(ours)
        os.close(theirs)


def test_the_first_error_that_has_a_name_is_the_one_told(tmp_path: Path):
    write_error(tmp_path, 1, RuntimeError("connection closed by peer"))
    write_error(tmp_path, 0, LaunchError("row 7 is empty"))
    write_error(tmp_path, 2, LaunchError("row 9 is empty"))
    first = _first_error(tmp_path)
    assert first is not None
    assert first["message"] == "row 7 is empty"


def order(rows: int, batch: int, step: int, lengths: list[int] | None = None) -> list[int]:
    trainer = SimpleNamespace(state=TrainerState(global_step=step), args=SimpleNamespace(seed=3))
    return list(GlobalOrder(trainer, rows, batch, lengths))


def test_an_epoch_has_whole_steps_in_an_order_that_a_resumed_run_finds_again():
    first, second = order(22, 4, 0), order(22, 4, 5)
    assert len(first) == 20
    assert len(set(first)) == 20
    assert first != second
    assert order(22, 4, 3) == first  # begun again within the first epoch
    assert order(22, 4, 7) == second


def test_rows_of_a_step_are_of_similar_length_where_the_trainer_groups_them():
    lengths = [row * 7 % 640 for row in range(640)]

    def spread(rows: list[int]) -> float:
        steps = [[lengths[row] for row in rows[at : at + 8]] for at in range(0, 640, 8)]
        return sum(max(step) - min(step) for step in steps) / len(steps)

    grouped = order(640, 8, 0, lengths)
    assert sorted(grouped) == list(range(640))
    assert spread(grouped) < 0.2 * spread(order(640, 8, 0))


def key_of(recipe: Recipe) -> dict[str, object]:
    name, stage = next(iter(recipe.stages.items()))
    return given(name, stage, Inputs(recipe, Sources(None, 0, {})))


def test_only_what_changes_the_result_changes_the_key(tmp_path: Path, tiny_model: Path):
    one = recipe(tmp_path, tiny_model, "sft")
    for launch in (Launch(strategy="ddp", processes=4), Launch(strategy="fsdp2", processes=2, nodes=2)):
        assert key_of(one.model_copy(update={"launch": launch})) == key_of(one)
    assert key_of(recipe(tmp_path, tiny_model, "sft", per_device_train_batch_size=4)) == key_of(one)
    assert key_of(recipe(tmp_path, tiny_model, "sft", learning_rate=0.1)) != key_of(one)
    kto = recipe(tmp_path, tiny_model, "kto")
    assert key_of(kto.model_copy(update={"launch": Launch(processes=2)})) != key_of(
        kto
    )  # its loss compares rows at hand
    stage = one.stages["sft"].model_copy(update={"global_batch": None})
    plain = one.model_copy(update={"stages": {"sft": stage}})
    more = plain.model_copy(update={"launch": Launch(processes=2)})
    assert key_of(more) != key_of(plain)  # each process adds a batch of its own to a step


def test_a_global_batch_is_shared_out_as_accumulation(tmp_path: Path, tiny_model: Path):
    stage = recipe(tmp_path, tiny_model, "sft").stages["sft"]
    for count, steps in ((1, 4), (2, 2), (4, 1)):
        assert shared_out(stage, count).training["gradient_accumulation_steps"] == steps  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=r"global_batch 8 cannot be made of 3 processes .* make it a multiple of 6"):
        shared_out(stage, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("launch", "change", "message"),
    [
        ({"strategy": "ddp", "processes": 4096}, {"global_batch": None}, "4096 processes on one machine, which has"),
        ({"processes": 2, "nodes": 2}, {}, "--node-rank 0, 1, … and --rendezvous HOST:PORT"),
        ({"options": {"offload_param": True}}, {}, "no option of fsdp2; did you mean 'offload_params'?"),
        ({"strategy": "ddp", "processes": 2, "options": {"offload_params": True}}, {}, "no option of ddp"),
        (
            {"processes": 2},
            {"lora": {}, "quantization": {"load_in_4bit": True}},
            "quantization: fsdp2 would have to share out weights of few",
        ),
        ({"processes": 2}, {"optimizer": "muon"}, "muon does not work with fsdp2; take adamw, or launch.strategy ddp"),
        (
            {"processes": 2, "options": {"cpu_ram_efficient_loading": True}},
            {"anchor": {"corpora": [{"name": "bundled-documents"}]}},
            "leaves the weights of all processes but the first empty",
        ),
        (
            {"processes": 4},
            {"anchor": {"corpora": [{"name": "bundled-documents"}], "rows": 3}},
            "anchor.rows: 3 rows cannot be shared out over 4 processes",
        ),
    ],
)
def test_what_cannot_train_together_is_refused_before_it_starts(
    tmp_path: Path, tiny_model: Path, launch: dict[str, object], change: dict[str, object], message: str
):
    small = recipe(tmp_path, tiny_model, "sft", Launch.model_validate(launch)).model_dump()
    small["stages"]["sft"] |= change
    with pytest.raises(RecipeError) as caught:
        check_launch(Recipe.model_validate(small), Node())
    assert message in str(caught.value)


def test_a_place_to_meet_has_a_port(tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    two = recipe(tmp_path, tiny_model, "sft", Launch(processes=2, nodes=2))
    check_launch(two, Node(0, "[fe80::1]:29500"))
    for wrong in ("node1", "node1:", ":29500", "node 1:29500"):
        with pytest.raises(RecipeError, match="HOST:PORT of the first machine, as node1:29500"):
            check_launch(two, Node(0, wrong))


def test_the_command_line_goes_before_the_recipe(tmp_path: Path, tiny_model: Path):
    small = recipe(tmp_path, tiny_model, "sft", Launch(processes=2, options={"offload_params": True}))
    assert launched(small, None, None, None) is small
    assert launched(small, None, 4, 2).launch == Launch(processes=4, nodes=2, options={"offload_params": True})
    assert launched(small, "ddp", None, None).launch == Launch(strategy="ddp", processes=2)
    with pytest.raises(RecipeError, match="3 processes cannot be shared evenly by 2 nodes"):
        launched(small, None, 3, 2)
    with pytest.raises(RecipeError, match="--launch: Input should be 'ddp', 'fsdp2', 'zero2' or 'zero3'"):
        launched(small, "fsdp", None, None)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp2", "zero2", "zero3"])
def test_accelerate_itself_accepts_every_argument(strategy: str):
    from accelerate.commands.launch import launch_command_parser

    launch = Launch(strategy=strategy, processes=4, nodes=2)
    given = accelerate_arguments(launch, Node(1, "first:29500"), True)
    parsed = launch_command_parser().parse_args([*given, "--module", "pipelines.training.worker"])
    assert (parsed.num_processes, parsed.num_machines, parsed.machine_rank) == (4, 2, 1)
    assert (parsed.main_process_ip, parsed.main_process_port) == ("first", 29500)
    assert (parsed.multi_gpu, parsed.use_fsdp, parsed.use_deepspeed) == (
        strategy == "ddp",
        strategy == "fsdp2",
        strategy.startswith("zero"),
    )
    if strategy.startswith("zero"):
        assert parsed.zero_stage == int(strategy[-1])


BIG = {"strategy": "fsdp2", "processes": 16, "nodes": 2, "gpu": "h100", "hours": 1.5}


def test_a_slurm_file_is_a_script_that_asks_for_the_devices_and_runs_the_recipe(tmp_path: Path, tiny_model: Path):
    big = recipe(tmp_path, tiny_model, "sft", Launch.model_validate(BIG), per_device_train_batch_size=1)
    big = big.model_copy(update={"stages": {"sft": big.stages["sft"].model_copy(update={"global_batch": 64})}})
    file = tmp_path / "job.sh"
    file.write_text(task_file(big, "it's mine.yaml", "slurm", file, Path("runs/big"), None))
    assert subprocess.run(["bash", "-n", str(file)], check=False).returncode == 0
    text = file.read_text()
    for line in ("nodes=2", "ntasks-per-node=1", "gpus-per-node=h100:8", "time=01:30:00", "requeue", "signal=TERM@300"):
        assert f"\n#SBATCH --{line}" in text
    # What a machine would run, found by running the file with stand-ins for Slurm's programs.
    stand_ins = tmp_path / "bin"
    stand_ins.mkdir()
    programs = {
        "scontrol": 'if [ "$1" = show ]; then printf "first\\nsecond\\n"; else echo "scontrol $*"; fi',
        "srun": 'shift; exec env SLURM_NODEID=1 "$@"',
        "osler": 'echo "$OSLER_NODE_RANK $OSLER_RENDEZVOUS"; printf "%s\\n" "$@"; exit 75',
    }
    for name, body in programs.items():
        (stand_ins / name).write_text(f"#!/bin/bash\n{body}\n")
        (stand_ins / name).chmod(0o755)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()
    environment = {
        **os.environ,
        "PATH": f"{stand_ins}:{os.environ['PATH']}",
        "SLURM_JOB_NODELIST": "x",
        "SLURM_JOB_ID": "9",
    }
    done = subprocess.run(
        ["bash", str(file)], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    words = [
        "reproduce",
        "it's mine.yaml",
        "--run",
        "runs/big",
        "--launch",
        "fsdp2",
        "--processes",
        "16",
        "--nodes",
        "2",
    ]
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["1 first:29500", *words, "scontrol requeue 9"]
    assert done.returncode == 75


def test_a_skypilot_file_is_yaml_that_asks_for_the_devices_and_runs_the_recipe(tmp_path: Path, tiny_model: Path):
    small = recipe(tmp_path, tiny_model, "sft", Launch.model_validate({**BIG, "processes": 4, "nodes": 1}))
    task = yaml.safe_load(task_file(small, "mine.yaml", "skypilot", Path("t.yaml"), Path("runs"), None))
    assert task["resources"]["accelerators"] == "H100:4"
    assert task["num_nodes"] == 1
    (mounted,) = task["file_mounts"]
    assert f"osler reproduce mine.yaml --run {mounted}/small --launch fsdp2 --processes 4 --nodes 1" in task["run"]
    dotted = small.model_copy(update={"name": "Own_0.6b"})
    task = yaml.safe_load(task_file(dotted, "mine.yaml", "skypilot", Path("t.yaml"), Path("runs"), None))
    # What a bucket may be called (Google Cloud wants a dotted name to be a domain of one's own).
    assert task["file_mounts"][mounted]["name"] == "osler-own-0-6b-runs"
    two = small.model_copy(update={"launch": Launch.model_validate({**BIG, "processes": 4})})
    task = yaml.safe_load(task_file(two, "mine.yaml", "skypilot", Path("t.yaml"), Path("runs"), None))
    assert task["num_nodes"] == 2
    assert list(task["volumes"]) == [mounted]  # a disk that both see
    with pytest.raises(RecipeError, match=r"launch\.gpu: SkyPilot asks for a kind of GPU"):
        nameless = small.model_copy(update={"launch": Launch(processes=4)})
        task_file(nameless, "mine.yaml", "skypilot", Path("t.yaml"), Path("runs"), None)


def test_a_recipe_without_a_launch_block_names_no_devices(tmp_path: Path, tiny_model: Path):
    with pytest.raises(RecipeError, match="how many devices to ask for"):
        task_file(recipe(tmp_path, tiny_model, "sft"), "mine.yaml", "slurm", Path("t.sh"), Path("runs"), None)
    check_shares(recipe(tmp_path, tiny_model, "sft"))


def test_a_task_that_reads_published_datasets_is_told_where_they_are():
    """Without the folder the job would wait for its GPUs and end at once."""
    real, file = load_recipe("qwen3-8b/2x8x80gb-full"), Path("t.sh")
    with pytest.raises(
        RecipeError, match=r"--data: the recipe reads clinical-guidelines, medical-textbooks, .* and more"
    ):
        task_file(real, "qwen3-8b/2x8x80gb-full", "slurm", file, Path("runs"), None)
    text = task_file(real, "qwen3-8b/2x8x80gb-full", "slurm", file, Path("runs"), Path("/shared/data"))
    assert "--nodes 2 --data /shared/data" in text

"""What a run says of itself: TensorBoard and trackio hold the same figures, and the dashboard opens on them."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from transformers import TrainerControl, TrainerState, TrainingArguments

from corpora.records import Message, Preference
from pipelines import loading
from pipelines.artifact import Draft, drafting
from pipelines.checks import check_trackers
from pipelines.config import Corpus, DpoStage, Lora, Recipe, RecipeError
from pipelines.data import Sources
from pipelines.dpo import dpo
from pipelines.plan.compute import model_flops
from pipelines.training.watching import Progress, keep_below

FIGURES = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_gib", "mfu", "rewards/margins")


def write_pairs(path: Path) -> None:
    with path.open("w") as stream:
        for number in range(12):
            record = Preference(
                id=str(number),
                prompt=[Message(role="user", content=f"What is number {number}?")],
                chosen=f"It is {number}.",
                rejected="I do not know.",
                source="made",
            )
            stream.write(record.model_dump_json() + "\n")


@pytest.fixture(scope="module")
def watched(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in a process that has imported trackio before, as `osler reproduce` has when its first stage begins."""
    run = tmp_path_factory.mktemp("runs") / "watched"
    (run / "dpo.partial").mkdir(parents=True)
    write_pairs(run / "pairs.jsonl")
    process = os.fork()
    if process == 0:
        code = 1
        try:
            torch.set_num_threads(1)  # the threads of the process that forked are not there
            draft = Draft(run / "dpo.partial")
            draft.checkpoints.mkdir()
            stage = DpoStage(
                kind="dpo",
                model="base",
                preferences=Corpus(name=str(run / "pairs.jsonl")),
                lora=Lora(r=4),
                training={"max_steps": 3, "per_device_train_batch_size": 2, "logging_steps": 1, "save_strategy": "no"},
            )
            dpo(stage, 0, tiny_model, Sources(None, 0, {}), draft)
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0
    return run


def tensorboard_figures(run: Path) -> dict[str, list[float]]:
    events = EventAccumulator(str(run / "tensorboard" / "dpo"))
    events.Reload()
    return {tag.removeprefix("train/"): [one.value for one in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_and_trackio_hold_the_same_figures_of_each_step(watched: Path):
    board = tensorboard_figures(watched)
    for name in FIGURES:
        assert len(board[name]) == 3, name
    assert board["loss"][0] == pytest.approx(0.6931, abs=1e-3)  # DPO's before its first step
    assert board["tokens_per_second"][-1] > 0
    script = (
        "import json\nfrom trackio.sqlite_storage import SQLiteStorage\n"
        "print(json.dumps(SQLiteStorage.get_logs('watched', 'dpo')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TRACKIO_DIR": str(watched / "trackio")},
        capture_output=True,
        text=True,
        check=True,
    )
    logs = [entry for entry in json.loads(found.stdout.splitlines()[-1]) if "train/loss" in entry]
    for name in FIGURES:
        assert [entry[f"train/{name}"] for entry in logs] == pytest.approx(board[name], rel=1e-5), name


def test_the_dashboard_opens_on_loopback(watched: Path):
    command = [sys.executable, "-m", "pipelines.cli", "watch", str(watched), "--no-browser", "--port", "7893"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            for _ in range(600):
                try:
                    with urllib.request.urlopen("http://127.0.0.1:7893/", timeout=1) as answer:
                        page = answer.read().decode()
                    break
                except OSError:
                    assert process.poll() is None
                    time.sleep(0.1)
            assert "Trackio" in page
            assert process.stdout is not None
            said = process.stdout.readline().decode() + process.stdout.readline().decode()
            assert "http://127.0.0.1:7893" in said
            assert "train/global_step" in said
            assert "opened in browser" not in said
            other = subprocess.run(command, capture_output=True, text=True, check=False)
            assert "port 7893 on 127.0.0.1 is in use" in other.stderr
        finally:
            process.terminate()


def test_a_run_without_curves_is_told_so(tmp_path: Path):
    command = [sys.executable, "-m", "pipelines.cli", "watch", str(tmp_path)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "no curves yet" in " ".join(found.stderr.split())
    (tmp_path / "tensorboard").mkdir()
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "TensorBoard shows those of" in " ".join(found.stderr.split())


def test_the_seconds_of_earlier_tries_are_in_the_checkpoint_and_count(tmp_path: Path):
    args, control = TrainingArguments(output_dir=str(tmp_path), use_cpu=True), TrainerControl()
    state = TrainerState(max_steps=4, log_history=[{"loss": 2.0, "train_seconds": 100.0}, {"eval_loss": 3.0}])
    progress = Progress("cpt")
    progress.on_train_begin(args, state, control)
    assert progress.before == 100.0
    logs = {"loss": 1.0, "learning_rate": 0.1}
    state.log_history.append(dict(logs))
    time.sleep(0.11)
    progress.on_log(args, state, control, logs)
    progress.on_train_end(args, state, control)
    assert 100.1 <= state.log_history[-1]["train_seconds"] < 110


def test_the_line_says_what_a_person_looks_for():
    logs = {"loss": 1.23456, "learning_rate": 1e-4, "grad_norm": 0.5, "rewards/margins": 0.25}
    line = Progress._line({**logs, "tokens_per_second": 3200, "mfu": 0.41, "memory_gib": 1.9})
    assert line == "loss 1.235, lr 1.0e-04, grad 0.50, margins 0.250, 3,200 tokens/s, MFU 41%, 1.9 GiB"


def test_the_operations_of_a_step_are_six_for_each_weight_and_four_where_it_is_frozen(tiny_model: Path):
    model = loading.load_model(tiny_model)
    # Two layers of width 64: four matrices of 64 x 64 for attention, three of 64 x 128; and the head.
    weights = 2 * (4 * 64 * 64 + 3 * 64 * 128) + 64 * model.config.vocab_size
    attention = 12 * 2 * 64 * 128  # 12 L Q T: layers, features of the heads, tokens (PaLM, appendix B)
    assert model_flops(model, 128) == 6 * weights + attention
    for parameter in model.parameters():
        parameter.requires_grad = False
    assert model_flops(model, 128) == 4 * weights + attention


def test_the_trackers_write_below_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRACKIO_DIR", "")
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", "")
    assert keep_below(tmp_path / "mine", "sft") == {"project": "mine", "run_name": "sft"}
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "mine" / "tensorboard" / "sft")
    assert os.environ["TRACKIO_DIR"] == str(tmp_path / "mine" / "trackio")


def test_a_second_run_in_one_process_has_its_curves_below_itself(tmp_path: Path):
    script = """
import sys, trackio
from pathlib import Path
from pipelines.training.watching import keep_below

for name in ("one", "two"):
    given = keep_below(Path(sys.argv[1]) / name, "sft")
    trackio.init(project=given["project"], name=given["run_name"])
    trackio.log({"loss": 1.0})
    trackio.finish()
"""
    environment = {**os.environ, "HOME": str(tmp_path), "TRACKIO_DIR": ""}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, capture_output=True, check=True)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*.db"))] == [
        "one/trackio/one.db",
        "two/trackio/two.db",
    ]


def test_a_stage_that_is_made_anew_has_no_curves_of_the_one_before(tiny_model: Path, tmp_path: Path, sources):
    write_pairs(tmp_path / "pairs.jsonl")
    given = {"per_device_train_batch_size": 2, "logging_steps": 1, "report_to": ["tensorboard"]}
    for steps in (3, 2):
        training = {**given, "max_steps": steps}
        stage = DpoStage(kind="dpo", model="base", preferences=Corpus(name=str(tmp_path / "pairs.jsonl")), lora=Lora(r=4), training=training)  # fmt: skip
        with drafting(tmp_path / "dpo", "dpo", {"steps": steps}) as made:
            dpo(stage, 0, tiny_model, sources, made)
        assert len(tensorboard_figures(tmp_path)["loss"]) == steps


@pytest.mark.parametrize(
    ("tracker", "told"),
    [
        ("comet_ml", r"'comet_ml' is not installed here; install its package"),
        ("tensorbord", "did you mean 'tensorboard'"),
    ],
)
def test_a_tracker_that_is_not_there_is_refused_before_the_run(tracker: str, told: str, tmp_path: Path):
    stage = {"kind": "cpt", "model": "base", "corpora": [{"name": "bundled-documents"}]}
    recipe = {"name": "t", "base_model": "bundled:osler-nano-base", "stages": {"one": stage}}
    for good in (["tensorboard"], [], "none"):
        stage["training"] = {"report_to": good}
        check_trackers(Recipe.model_validate(recipe))
    stage["training"] = {"report_to": [tracker]}
    with pytest.raises(RecipeError, match=told):
        check_trackers(Recipe.model_validate(recipe))

"""A bad batch stops a run before it reaches the weights and is named; a spike is left out by recipe; SIGTERM and a full disk lose nothing."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import typer
from safetensors.torch import load_file
from transformers import Trainer, TrainerControl, TrainerState

from corpora.bundled.render import render
from corpora.errors import Interrupted
from corpora.records import Dialogue
from pipelines import cli, loading, training
from pipelines.config import Corpus, CptStage, Recipe, SftStage, Spikes
from pipelines.data import Sources
from pipelines.inputs import Inputs
from pipelines.reproduce import run_stage
from pipelines.sft import sft
from pipelines.training.checkpoint import CheckpointError, is_whole, newest_whole
from pipelines.training.guards import RolledBack, TrainingError, _Guard
from tests.pipelines.drafts import fresh

SHORT = {
    "max_steps": 8,
    "save_steps": 2,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "learning_rate": 0.001,
    "logging_steps": 1,
}


def poisoned(path: Path, place: int, count: int = 40) -> SftStage:
    """Dialogues of which one has a word that the broken head below cannot bear."""
    dialogues = [record for record in render("bundled-dialogues") if isinstance(record, Dialogue)][:count]
    with path.open("w") as stream:
        for number, dialogue in enumerate(dialogues):
            messages = [message.as_dict() for message in dialogue.messages]
            if number == place:
                messages[-1]["content"] = "zzzzzzzz"
            stream.write(json.dumps({"messages": messages}) + "\n")
    return SftStage(kind="sft", model="base", corpora=[Corpus(name=str(path))], training=SHORT)


@pytest.fixture
def fragile_model(tiny_model: Path, tmp_path: Path) -> Path:
    """A model whose embedding of one token is NaN: any row with it has a loss that is no number."""
    folder = tmp_path / "fragile"
    model = loading.load_model(tiny_model)
    tokenizer = loading.load_tokenizer(tiny_model)
    (first, *_) = tokenizer("zzzzzzzz", add_special_tokens=False)["input_ids"]
    model.config.tie_word_embeddings = False
    model.lm_head.weight = torch.nn.Parameter(model.get_input_embeddings().weight.detach().clone())
    with torch.no_grad():
        model.get_input_embeddings().weight[first] = float("nan")
    training.save_model(model, tokenizer, folder)
    return folder


@pytest.mark.parametrize("place", [7, 23])
def test_a_loss_that_is_no_number_stops_within_its_step_and_names_the_row(
    fragile_model: Path, tmp_path: Path, place: int
):
    draft = fresh(tmp_path / "sft.partial")
    stage = poisoned(tmp_path / "chats.jsonl", place)
    stage = stage.model_copy(update={"training": {**SHORT, "max_steps": 10, "num_train_epochs": 1}})
    with pytest.raises(TrainingError, match=rf"the loss is nan at step \d+, rows .*\b{place}\b") as raised:
        sft(stage, 3, fragile_model, Sources(None, 3, {}), draft)
    step = int(str(raised.value).split("at step ")[1].split(",")[0])
    said = json.loads((draft.checkpoints / f"bad-batch-{step}.json").read_text())
    assert [place in rows for rows in said["rows"]] == [True]  # the micro-batch alone, not the whole step
    assert any("zzzzzzzz" in text for text in said["texts"])
    for checkpoint in draft.checkpoints.glob("checkpoint-*"):
        assert int(checkpoint.name.removeprefix("checkpoint-")) <= step
        for weights in load_file(checkpoint / "model.safetensors").values():
            assert not weights.float().isinf().any()


def test_an_infinite_gradient_stops_before_the_optimizer(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    draft = fresh(tmp_path / "sft.partial")
    stage = SftStage(kind="sft", model="base", corpora=[Corpus(name="bundled-dialogues", limit=40)], training=SHORT)

    def explode(self, model, inputs, *args, **kwargs):
        found = original(self, model, inputs, *args, **kwargs)
        if self.state.global_step == 3:
            next(p for p in model.parameters() if p.grad is not None).grad[0] = float("inf")
        return found

    original = Trainer.training_step
    monkeypatch.setattr(Trainer, "training_step", explode)
    with pytest.raises(TrainingError, match=r"the gradient norm is (inf|nan) at step 3, rows"):
        sft(stage, 3, tiny_model, Sources(None, 3, {}), draft)
    newest = newest_whole(draft.checkpoints)
    assert newest is not None
    assert newest.name == "checkpoint-2"


def test_a_spike_is_left_out_and_the_run_goes_on(
    fragile_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    draft = fresh(tmp_path / "sft.partial")
    stage = poisoned(tmp_path / "chats.jsonl", 7).model_copy(
        update={"spikes": Spikes(), "training": {**SHORT, "max_steps": 10}}
    )
    recipe = Recipe(name="spikes", seed=3, base_model=str(fragile_model), stages={"sft": stage})
    run_stage(stage, Inputs(recipe, Sources(None, 3, {})), draft)
    (skipped,) = json.loads((draft.checkpoints / "skipped.json").read_text())
    assert draft.metrics["steps"] == 10
    assert draft.metrics["losses"][skipped]["loss"] == 0.0  # nothing was computed in that step
    assert all(entry["loss"] > 1 for entry in draft.metrics["losses"] if entry["step"] != skipped + 1)
    said = " ".join(capsys.readouterr().err.split())
    assert f"the loss is nan at step {skipped}: going back to the last checkpoint" in said


def test_a_jump_of_the_loss_counts_as_a_spike(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    draft = fresh(tmp_path / "sft.partial")
    spikes = Spikes(window=5, deviations=8)
    stage = SftStage(
        kind="sft", model="base", corpora=[Corpus(name="bundled-dialogues", limit=80)], spikes=spikes, training=SHORT
    )
    original = Trainer.training_step

    def jump(self, model, inputs, *args, **kwargs):
        found = original(self, model, inputs, *args, **kwargs)
        return found + 50 if self.state.global_step == 6 else found

    monkeypatch.setattr(Trainer, "training_step", jump)
    with pytest.raises(RolledBack, match="the loss jumped to"):
        sft(stage, 3, tiny_model, Sources(None, 3, {}), draft)
    assert json.loads((draft.checkpoints / "skipped.json").read_text()) == [6]
    newest = newest_whole(draft.checkpoints)
    assert newest is not None
    assert newest.name == "checkpoint-6"  # of the step before: the batch's gradient never reached it
    sft(stage, 3, tiny_model, Sources(None, 3, {}), draft)
    assert draft.metrics["steps"] == 8


RUN = """
import sys
from pathlib import Path
from pipelines import cli, loading, training
from pipelines.cli import main
training.quiet()
sys.argv = ["osler", "cpt", sys.argv[1], "--run", sys.argv[2]]
main()
"""


def recipe(folder: Path, model: Path, steps: int) -> Path:
    path = folder / "stop.yaml"
    path.write_text(
        f"""
name: stop
base_model: {model}
stages:
  cpt:
    kind: cpt
    model: base
    corpora: [{{name: bundled-documents, limit: 60}}]
    sequence_length: 32
    training: {{max_steps: {steps}, per_device_train_batch_size: 2, learning_rate: 0.001, save_steps: 1000}}
"""
    )
    return path


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C as at a terminal: a process that a shell started in its background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("times", "kind"), [(1, Interrupted), (2, KeyboardInterrupt)])
def test_ctrl_c_saves_as_well_and_a_second_one_stops_at_once(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], times, kind
):
    draft = fresh(tmp_path / "sft.partial")
    stage = SftStage(kind="sft", model="base", corpora=[Corpus(name="bundled-dialogues", limit=40)], training=SHORT)

    def press(self, model, inputs, *args, **kwargs):
        if self.state.global_step == 4 and len(pressed) < times:  # once, or once a micro-batch
            pressed.append(None)
            signal.raise_signal(signal.SIGINT)
        return original(self, model, inputs, *args, **kwargs)

    pressed: list[None] = []
    original = Trainer.training_step
    monkeypatch.setattr(Trainer, "training_step", press)
    with pytest.raises(kind) as raised:
        sft(stage, 3, tiny_model, Sources(None, 3, {}), draft)
    newest = newest_whole(draft.checkpoints)
    assert newest is not None
    assert newest.name == ("checkpoint-5" if times == 1 else "checkpoint-4")
    assert "Ctrl-C again stops at once" in capsys.readouterr().err
    if times == 1:
        assert "stopped by Ctrl-C at step 5 of 8 with a checkpoint" in str(raised.value)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize(
    ("own", "others", "agreed"),
    [
        (None, [0, 1], signal.SIGINT),
        (signal.SIGINT, [0, 0], signal.SIGINT),
        (signal.SIGINT, [1, 0], signal.SIGTERM),
        (None, [0, 0], None),
    ],
)
def test_all_processes_stop_by_the_signal_that_one_has_had(tmp_path: Path, own, others: list[int], agreed):
    reduced = SimpleNamespace(reduce=lambda mine, reduction: mine + torch.tensor(others))
    watch = _Guard(SimpleNamespace(accelerator=reduced), "sft", tmp_path, None)  # type: ignore[arg-type]
    watch.asked_to_stop = own
    control = TrainerControl()
    args = SimpleNamespace(world_size=2, device=torch.device("cpu"))
    watch.on_step_end(args, TrainerState(global_step=3, max_steps=8), control)  # type: ignore[arg-type]
    assert watch.asked_to_stop is agreed
    assert [control.should_save, control.should_training_stop, watch.stopped] == [agreed is not None] * 3


def test_ctrl_c_outside_training_says_that_the_same_command_goes_on(monkeypatch, capsys):
    app = typer.Typer()

    @app.command()
    def long() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(sys, "argv", ["osler"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130
    assert "run the same command to go on" in capsys.readouterr().err


def test_sigterm_saves_and_exits_with_75_and_the_same_command_goes_on(tiny_model: Path, tmp_path: Path):
    path, run = recipe(tmp_path, tiny_model, 80), tmp_path / "run"
    command = [sys.executable, "-c", RUN, str(path), str(run)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    events = run / "tensorboard" / "cpt"
    while process.poll() is None and not events.is_dir():  # training has begun
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 75, said
    assert "stopped by SIGTERM at step" in said
    checkpoint = newest_whole(run / "cpt.partial.checkpoints")
    assert checkpoint is not None
    shutil.rmtree(run / "tensorboard")
    path = recipe(tmp_path, tiny_model, 80)
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    manifest = json.loads((run / "cpt" / "manifest.json").read_text())
    assert manifest["metrics"]["steps"] == 80


def test_a_disk_that_fills_leaves_the_last_good_checkpoint(tiny_model: Path, tmp_path: Path):
    """The limit is on the size of a file, which any user may set: the write fails in the midst, as on a full disk."""
    stage = CptStage(
        kind="cpt",
        model="base",
        corpora=[Corpus(name="bundled-documents", limit=60)],
        sequence_length=32,
        training={**SHORT, "report_to": []},
    )
    folder = tmp_path / "run" / "cpt.partial"
    draft = fresh(folder)
    process = os.fork()
    if process == 0:
        code = 1
        try:
            torch.set_num_threads(1)
            from pipelines.cpt import cpt

            step = Trainer._save_checkpoint

            def fill(self, *args):
                if self.state.global_step == 6:
                    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, resource.RLIM_INFINITY))
                return step(self, *args)

            Trainer._save_checkpoint = fill
            try:
                cpt(stage, 3, tiny_model, Sources(None, 3, {}), draft)
            except CheckpointError as error:
                text = str(error)
                right = "the checkpoint of step 6 could not be written" in text and "free some disk" in text
                code = 42 if right else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(process, 0)
    assert os.waitstatus_to_exitcode(status) == 42
    assert sorted(path.name for path in draft.checkpoints.glob("checkpoint-*")) == ["checkpoint-2", "checkpoint-4"]
    assert is_whole(draft.checkpoints / "checkpoint-4")

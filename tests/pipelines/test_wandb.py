"""Weights & Biases by choice: every stage is a run of its own, with all figures of each step, and a stage that goes on stays one run.

Runs where ``wandb`` is installed (it is no dependency of osler), without a network: what it would upload is read from its own file.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpora.records import Message, Preference
from pipelines import training
from pipelines.artifact import drafting
from pipelines.config import Corpus, DpoStage, Lora
from pipelines.dpo import dpo

pytest.importorskip("wandb")
FIGURES = ("loss", "learning_rate", "grad_norm", "tokens_per_second", "memory_gib", "mfu", "rewards/margins")


def stage(folder: Path, **more) -> DpoStage:
    path = folder / "pairs.jsonl"
    rows = [
        Preference(
            id=str(n),
            prompt=[Message(role="user", content=f"Number {n}?")],
            chosen=f"It is {n}.",
            rejected="No.",
            source="made",
        )
        for n in range(12)
    ]
    path.write_text("\n".join(row.model_dump_json() for row in rows))
    given = {
        "max_steps": 4,
        "per_device_train_batch_size": 2,
        "logging_steps": 1,
        "save_steps": 2,
        "report_to": ["wandb"],
    }
    return DpoStage(
        kind="dpo", model="base", preferences=Corpus(name=str(path)), lora=Lora(r=4), training={**given, **more}
    )


def logged(path: Path) -> Iterator[bytes]:
    """The records of wandb's file: LevelDB's log format, behind seven bytes that name it."""
    data, place, record = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768  # of the block; a head does not lie across two
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        if kind == 0:
            return
        record += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def runs(folder: Path) -> dict[Path, tuple[dict, list[dict]]]:
    """Of each run in a folder of wandb's: what it is called, and the figures of each log."""
    from wandb.proto import wandb_internal_pb2

    found = {}
    for path in sorted(folder.rglob("*.wandb")):
        about, history = {}, []
        for data in logged(path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.HasField("run"):
                about = {"id": record.run.run_id, "project": record.run.project, "name": record.run.display_name}
            if record.HasField("history"):
                items = record.history.item
                history.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
        found[path] = about, history
    return found


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)


def test_each_stage_is_a_run_with_every_figure_of_each_step(tiny_model: Path, tmp_path: Path, sources):
    run = tmp_path / "runs" / "mine"
    for name in ("first", "second"):
        with drafting(run / name, name, {}) as made:
            dpo(stage(tmp_path), 0, tiny_model, sources, made)
    found = runs(tmp_path)
    assert all(path.is_relative_to(run / "wandb") for path in found)
    assert sorted((about["project"], about["name"]) for about, _ in found.values()) == [
        ("mine", "first"),
        ("mine", "second"),
    ]
    for _, history in found.values():
        steps = [entry for entry in history if "train/loss" in entry]
        assert [entry["train/global_step"] for entry in steps] == [1, 2, 3, 4]
        for entry in steps:
            for figure in FIGURES:
                assert f"train/{figure}" in entry, figure


def test_a_stage_that_goes_on_stays_one_run(tiny_model: Path, tmp_path: Path, sources, monkeypatch: pytest.MonkeyPatch):
    run, kept = tmp_path / "runs" / "mine", training.save_model

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "save_model", cut)
    with pytest.raises(KeyboardInterrupt), drafting(run / "dpo", "dpo", {}) as made:
        dpo(stage(tmp_path, max_steps=2), 0, tiny_model, sources, made)
    monkeypatch.setattr(training, "save_model", kept)
    with drafting(run / "dpo", "dpo", {}) as made:
        dpo(stage(tmp_path), 0, tiny_model, sources, made)
    tries = list(runs(run).values())
    assert len({about["id"] for about, _ in tries}) == 1
    steps = [[entry["train/global_step"] for entry in history if "train/loss" in entry] for _, history in tries]
    assert sorted(steps) == [[1, 2], [3, 4]]
    # Another attempt from the beginning is another run.
    with drafting(run / "other", "other", {}) as made:
        dpo(stage(tmp_path), 0, tiny_model, sources, made)
    assert len({about["id"] for about, _ in runs(run).values()}) == 2

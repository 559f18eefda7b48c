"""A model is asked on the GPU where it has room there, and a stage leaves the GPU's memory to the next."""

import json
from functools import partial
from pathlib import Path

import accelerate
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel

import pipelines.examiner
import pipelines.loading
import pipelines.reproduce
from evals.engines.continuations import continuation_log_probs
from evals.engines.generate import greedy_answers
from pipelines.artifact import Draft
from pipelines.examiner import cut_over_gpus
from pipelines.loading import ROOM, on_gpu, over_gpus
from pipelines.plan.architectures import config_of
from serving.hardware import Gpu, Machine


class Weights:
    """What is asked of a model before it is moved."""

    name_or_path = "mine"
    place = "cpu"

    def get_memory_footprint(self) -> int:
        return 16 * 2**30

    def to(self, place: str) -> "Weights":
        self.place = place
        return self


@pytest.mark.parametrize(("free", "place"), [(24, "cuda"), (16, "cpu")])
def test_a_model_without_room_on_the_gpu_stays_on_the_processor(monkeypatch, caplog, free: int, place: str):
    given_back: list[bool] = []
    monkeypatch.setattr(pipelines.loading, "has_gpu", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: given_back.append(True))
    monkeypatch.setattr(pipelines.loading, "gpus", lambda: 1)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda card: (free * 2**30, 80 * 2**30))
    monkeypatch.setattr(pipelines.loading, "over_gpus", lambda model, room: None)
    assert on_gpu(Weights()).place == place  # type: ignore[arg-type, attr-defined]
    assert given_back
    assert ("16 GiB of weights have no room on the GPU (16 GiB are free)" in caplog.text) is (place == "cpu")


def of_72b() -> PreTrainedModel:
    """Qwen2.5-72B without its numbers."""
    fields = dict(config_of("Qwen/Qwen2.5-72B")[0])
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(
            AutoConfig.for_model(fields.pop("model_type"), **fields), dtype=torch.bfloat16
        )


def test_a_model_that_one_gpu_has_no_room_for_is_cut_evenly_over_those_that_are_there():
    model = of_72b()
    places = over_gpus(model, {card: 63 * 2**30 for card in range(8)})
    assert places is not None
    held = dict.fromkeys(range(8), 0)
    for name, weight in model.named_parameters():
        part = max((part for part in places if f"{name}.".startswith(f"{part}.")), key=len)
        held[places[part]] += 2 * weight.numel()
    assert sum(held.values()) == model.get_memory_footprint(return_buffers=False)
    layer = 2 * sum(weight.numel() for weight in model.model.layers[0].parameters())
    assert all(size < model.get_memory_footprint() / 8 + layer for size in held.values())
    assert len({places[f"model.layers.{layer}"] for layer in range(80)}) == 8  # no layer lies on two


def test_gpus_that_have_no_room_together_are_given_no_model():
    assert over_gpus(of_72b(), {0: 63 * 2**30, 1: 63 * 2**30}) is None


def test_the_room_of_every_gpu_is_asked_for_and_what_is_cut_keeps_its_cache_beside_each_layer(monkeypatch, base_model):
    """Three GPUs of which the first holds three quarters of the model; they are the processor here, which tells them apart no more."""
    model = pipelines.loading.load_model(base_model, training=False)
    size = model.get_memory_footprint()
    asked: list[dict[int, int]] = []
    monkeypatch.setattr(pipelines.loading, "has_gpu", lambda: True)
    monkeypatch.setattr(pipelines.loading, "gpus", lambda: 3)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda card: (size * (card + 3) // 4, 0))

    def cut(model: PreTrainedModel, room: dict[int, int]) -> dict[str, str]:
        asked.append(room)
        return {name: "cpu" for name in over_gpus(model, room)}

    monkeypatch.setattr(pipelines.loading, "over_gpus", cut)
    hooked = partial(accelerate.dispatch_model, force_hooks=True)
    given: dict[str, list[str]] = {}
    monkeypatch.setattr(
        accelerate, "dispatch_model", lambda model, places, **more: given.update(more) or hooked(model, places, **more)
    )
    tokenizer = pipelines.loading.load_tokenizer(base_model)
    pairs = [
        ("Scurvy comes of too little", " vitamin C"),
        ("Scurvy comes of too little", " sun"),
        ("Gout is", " a pain of joints"),
    ]
    before = continuation_log_probs(model, tokenizer, pairs, 2048, "")
    placed = on_gpu(model)
    assert asked == [{card: int(ROOM * (size * (card + 3) // 4)) for card in range(3)}]
    assert "past_key_values" in given["skip_keys"]
    assert hasattr(placed.model.layers[0], "_hf_hook")
    assert continuation_log_probs(placed, tokenizer, pairs, 2048, "") == pytest.approx(before, abs=1e-5)
    assert greedy_answers(placed, tokenizer, ["What is scurvy?"], 8) != [""]


@pytest.mark.parametrize(("gib", "cut"), [(192, {}), (80, {"tensor_parallel_size": 2})])
def test_vllm_is_told_over_how_many_gpus_a_model_is_cut(tmp_path: Path, monkeypatch, gib: int, cut: dict[str, int]):
    """Of Qwen2.5-72B: 135 GiB of weights, and a file of that size with nothing in it."""
    (tmp_path / "config.json").write_text(json.dumps({**config_of("Qwen/Qwen2.5-72B")[0], "dtype": "bfloat16"}))
    with (tmp_path / "model.safetensors").open("wb") as stream:
        stream.truncate(135 * 2**30)
    card = Gpu("card", gib, gib - 1, 9.0)
    here = Machine(gpu_count=8, gpus=(card,) * 8, cores=2, quota=2, free_gib=8.0, matrix_units=False)
    monkeypatch.setattr(pipelines.examiner, "machine", lambda: here)
    assert cut_over_gpus(tmp_path) == cut


def test_without_a_gpu_a_model_stays_where_it_is():
    assert on_gpu(Weights()).place == "cpu"  # type: ignore[arg-type, attr-defined]


def test_a_stage_gives_memory_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []

    def work(draft: Draft) -> None:
        order.append("work")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: order.append("given back"))
    monkeypatch.setattr(pipelines.reproduce, "give_back_freed", lambda: order.append("malloc's too"))
    pipelines.reproduce.finish(tmp_path, "one", "[1/1] one", {"stage": "one", "config": {}}, work)
    assert order == ["work", "given back", "malloc's too"]

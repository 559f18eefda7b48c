"""A model is asked on the GPU where it has room there, and a stage leaves the GPU's memory to the next."""

from pathlib import Path

import pytest
import torch

import pipelines.loading
import pipelines.reproduce
from pipelines.artifact import Draft
from pipelines.loading import on_gpu


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
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (free * 2**30, 80 * 2**30))
    assert on_gpu(Weights()).place == place  # type: ignore[arg-type, attr-defined]
    assert given_back
    assert ("16 GiB of weights have no room on the GPU (16 GiB are free)" in caplog.text) is (place == "cpu")


def test_without_a_gpu_a_model_stays_where_it_is():
    assert on_gpu(Weights()).place == "cpu"  # type: ignore[arg-type, attr-defined]


def test_a_stage_gives_the_gpus_memory_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    order: list[str] = []

    def work(draft: Draft) -> None:
        order.append("work")

    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: order.append("given back"))
    pipelines.reproduce.finish(tmp_path, "one", "[1/1] one", {"stage": "one", "config": {}}, work)
    assert order == ["work", "given back"]

"""The training benchmark compares with the fastest of each other kind, and runs Osler's own stages."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch._dynamo.utils

from pipelines import training
from pipelines.bench import Bench, _osler, bench_train, beside, write_rows
from pipelines.bench.loops import Window
from pipelines.bench.trainers import Clock, clocked


def test_ratios_are_to_the_fastest_of_each_kind():
    rates = {
        "plain loop, bf16": 100.0,
        "plain loop, fp32": 200.0,
        "osler sft, fp32": 300.0,
        "osler sft, fp32, compiled": 400.0,
        "TRL defaults": 100.0,
        "LLaMA-Factory, bf16": 50.0,
    }
    assert beside(400.0, rates) == {"plain loop": 2.0, "TRL defaults": 4.0, "LLaMA-Factory": 8.0}


def test_a_compile_after_the_warm_up_starts_the_count_afresh(monkeypatch: pytest.MonkeyPatch):
    compiled = {"unique_graphs": 1}
    monkeypatch.setitem(torch._dynamo.utils.counters, "stats", compiled)
    window = Window(seconds=3600.0, warm_up=2, shown=False)
    for number in range(4):
        assert not window.step(number, 10.0)
    assert window.tokens == 20.0  # of the two that warm up nothing
    compiled["unique_graphs"] = 2
    assert not window.step(4, 10.0)
    assert window.tokens == 0.0
    window.seconds = 0.0
    assert window.step(5, 7.0)
    assert window.tokens == 7.0


def test_a_stage_is_timed_as_it_runs_and_is_whole_again_afterwards(tiny_model: Path, tmp_path: Path):
    write_rows(tmp_path)
    run = training.run
    assert _osler(Bench(str(tiny_model), tmp_path, 0.2), "sft", bf16=False, compiled=False) > 0
    assert training.run is run
    with pytest.raises(RuntimeError), clocked(Clock(1.0, 1)):
        raise RuntimeError
    assert training.run is run


@pytest.mark.slow
def test_every_way_of_a_stage_is_measured(tiny_model: Path):
    rows = bench_train(str(tiny_model), 0.5, ("sft",))
    assert {"plain loop", "TRL defaults"} <= {row["how"].split(",")[0] for row in rows}
    assert all(row["tokens_per_second"] > 0 for row in rows)
    assert all(row["beside"] for row in rows if row["how"].startswith("osler"))

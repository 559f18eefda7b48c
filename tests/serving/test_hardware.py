"""The number format follows what the processor says of itself."""

import os
import subprocess
import sys

import pytest
import torch

from pipelines.artifact import restart_peak_memory
from serving import hardware, memory


@pytest.mark.parametrize(("matrix_units", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_bfloat16_is_for_processors_with_matrix_units(monkeypatch: pytest.MonkeyPatch, matrix_units: bool, dtype):
    monkeypatch.setattr(hardware, "has_gpu", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": matrix_units, "avx512_bf16": True})
    assert hardware.inference_dtype() is dtype


def test_every_core_that_may_be_used_is_used():
    hardware.use_processor_well()
    assert torch.get_num_threads() == len(os.sched_getaffinity(0))


def test_peak_memory_is_of_the_stage_and_not_of_what_came_before():
    kept = torch.ones(2**26)  # 256 MiB
    high = memory.peak_memory_gib([os.getpid()])
    del kept
    before = memory.peak_memory_gib([os.getpid()])
    assert before >= high > 0.25
    restart_peak_memory()
    assert memory.peak_memory_gib([os.getpid()]) <= before
    assert memory.peak_memory_gib([2**30]) == 0.0


def test_freed_memory_that_is_kept_for_training_can_be_given_back():
    """In a process of its own: how malloc keeps memory is set for all that comes after."""
    script = """
import psutil, torch
from serving.hardware import give_back_freed, use_processor_well

def resident():
    return psutil.Process().memory_info().rss >> 20

use_processor_well()
before = resident()
blocks = [torch.ones(2**20) for _ in range(100)]  # of 4 MiB
del blocks
kept = resident()
give_back_freed()
print(kept - before, resident() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    kept, left = map(int, done.stdout.split())
    assert kept > 350
    assert left < 100

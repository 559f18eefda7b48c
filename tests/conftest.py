"""A real model, small enough to train in seconds, with the bundled tokenizer and chat template."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
from filelock import FileLock
from transformers import PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM, set_seed

from pipelines import loading, training
from pipelines.artifact import Draft
from pipelines.config import MODELS, resolve_chat_template
from pipelines.data import Sources

BASE = MODELS / "osler-nano-base"
# Of the files that take longest; where tests run side by side, one of them begun last would keep the others' process waiting.
LONGEST = ("test_board_page.py", "test_reproduce.py", "test_ui_browser.py", "test_gateway_vllm.py")


def pytest_configure() -> None:
    """Where tests run side by side, each worker and all that it starts keep to cores of their own."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers == 1 or not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    os.sched_setaffinity(0, set(cores[worker::workers]) or {cores[worker % len(cores)]})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first."""
    items.sort(key=lambda item: item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def base_model() -> Path:
    return BASE


@pytest.fixture(scope="module")  # a trainer may change it
def tokenizer_of_calls(base_model: Path) -> PreTrainedTokenizerBase:
    """The bundled tokenizer with the chat template of recipe ``nano-tools``."""
    found = loading.load_tokenizer(base_model)
    found.chat_template = Path(resolve_chat_template("bundled:chatml-compact")).read_text(encoding="utf-8")
    return found


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen3 of two layers with random weights."""
    training.quiet()
    folder = tmp_path_factory.mktemp("tiny")
    tokenizer = loading.load_tokenizer(BASE)
    set_seed(5)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=32,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    training.save_model(Qwen3ForCausalLM(config), tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small run of everything, for the tests of what it left: they only read it. Tests side by side share it, made by the first to ask."""
    from tests.end_to_end.conftest import RECIPE, osler

    shared = tmp_path_factory.getbasetemp()
    shared = (
        shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    )  # each worker's folder lies in that of all
    folder = shared / "small-run"
    with FileLock(shared / "small-run.lock"):
        if not (folder / "report.html").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            shutil.copy(RECIPE, folder / "small.yaml")
            said = osler("reproduce", str(folder / "small.yaml"), "--run", str(folder))
            assert "report:" in said
    return folder


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    folder = tmp_path / "stage.partial"
    folder.mkdir()
    made = Draft(folder)
    made.checkpoints.mkdir()
    return made


@pytest.fixture
def sources() -> Sources:
    return Sources(None, 0, {})


@pytest.fixture(autouse=True)
def _threads() -> None:
    torch.set_num_threads(len(os.sched_getaffinity(0)))

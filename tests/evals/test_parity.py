"""lm-eval, which others' figures come from, chooses the same options: the same prompts, the same log-probabilities."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines import loading
from tests.evals.parity import Agreement, agreement, bundled_items, by_lm_eval, by_osler, rows_of

pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install -e '.[dev]'")

KINDS = ["medqa", "medmcqa", "pubmedqa", "mmlu"]
CLOSE = 1e-3  # nats, in float32; the two sides batch differently


@pytest.fixture(scope="module")
def nano(base_model: Path):
    return loading.load_model(base_model, training=False, dtype=torch.float32).eval(), loading.load_tokenizer(
        base_model
    )


@pytest.fixture(scope="module")
def tiny(tiny_model: Path):
    return loading.load_model(tiny_model, training=False, dtype=torch.float32).eval(), loading.load_tokenizer(
        tiny_model
    )


def both(folder: Path, kind: str, loaded: tuple[Any, Any], count: int, shots: int, chat: bool) -> Agreement:
    rows = rows_of(kind, bundled_items(count + shots))
    asked = (rows[shots:], rows[:shots], *loaded, chat)
    ours, _ = by_osler(kind, folder / "ours", *asked)
    theirs, _ = by_lm_eval(kind, folder / "theirs", *asked)
    return agreement(ours, theirs)


def assert_parity(found: Agreement, chat: bool) -> None:
    assert found.same_prompts == found.n
    assert found.same_choices >= 0.999 * found.n
    assert found.accuracy_apart <= 0.1
    # In the chat format lm-eval also counts the template's last line end, which is the same for all options of an item.
    assert (found.gap_apart if chat else found.log_prob_apart) < CLOSE


@pytest.mark.parametrize(("shots", "chat"), [(0, False), (2, True)], ids=["0-plain", "2-chat"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_prompts_and_choices_are_those_of_lm_eval(tmp_path: Path, tiny, kind: str, shots: int, chat: bool):
    assert_parity(both(tmp_path, kind, tiny, 10, shots, chat), chat)


def test_long_texts_scored_by_the_byte_are_those_of_lm_eval(tmp_path: Path, tiny):
    assert_parity(both(tmp_path, "texts", tiny, 10, 2, False), False)


def test_a_prompt_too_long_for_the_model_is_cut_where_lm_eval_cuts_it(tmp_path: Path, tiny):
    rows = rows_of("mmlu", bundled_items(18))
    asked = (rows[12:], rows[:12], *tiny, False)
    ours, _ = by_osler("mmlu", tmp_path / "ours", *asked)
    assert min(len(tiny[1](prompt)["input_ids"]) for prompt in ours.prompts) > tiny[0].config.max_position_embeddings
    theirs, _ = by_lm_eval("mmlu", tmp_path / "theirs", *asked)
    assert_parity(agreement(ours, theirs), False)


@pytest.mark.slow
@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
@pytest.mark.parametrize("shots", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_model_chooses_the_same(tmp_path: Path, nano, kind: str, shots: int, chat: bool):
    found = both(tmp_path, kind, nano, 60, shots, chat)
    print(kind, shots, "chat" if chat else "plain", found)
    assert_parity(found, chat)

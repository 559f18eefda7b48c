"""lm-eval, which others' figures come from, chooses the same options: the same prompts, the same log-probabilities."""

from pathlib import Path

import pytest

from pipelines import training
from tests.evals.parity import Agreement, agreement, bundled_items, by_lm_eval, by_osler, rows_of

pytest.importorskip("lm_eval", reason="lm-eval is not installed: pip install -e '.[dev]'")

KINDS = ["medqa", "medmcqa", "pubmedqa", "mmlu"]


@pytest.fixture(scope="module")
def nano(base_model: Path):
    return training.load_model(base_model, training=False).eval(), training.load_tokenizer(base_model)


@pytest.fixture(scope="module")
def tiny(tiny_model: Path):
    return training.load_model(tiny_model, training=False).eval(), training.load_tokenizer(tiny_model)


def both(folder: Path, kind: str, loaded, count: int, shots: int, chat: bool) -> Agreement:
    rows = rows_of(kind, bundled_items(count + shots))
    asked = (rows[shots:], rows[:shots], *loaded, chat)
    ours, _ = by_osler(kind, folder / "ours", *asked)
    theirs, _ = by_lm_eval(kind, folder / "theirs", *asked)
    return agreement(ours, theirs)


def assert_parity(found: Agreement) -> None:
    assert found.same_prompts == found.n
    assert found.same_choices >= 0.999 * found.n
    assert found.accuracy_apart <= 0.1


@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
@pytest.mark.parametrize("shots", [0, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_prompts_and_choices_are_those_of_lm_eval(tmp_path: Path, nano, kind: str, shots: int, chat: bool):
    found = both(tmp_path, kind, nano, 30, shots, chat)
    print(kind, shots, chat, found)
    assert_parity(found)
    # In the chat format lm-eval also counts the template's last line end, which is the same for all options of an item.
    assert (found.gap_apart if chat else found.log_prob_apart) < 1e-3

"""Nothing is computed twice, and what is shared changes no score: each is held against a forward pass of its own."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import MistralConfig, MistralForCausalLM, set_seed

from evals.engines.continuations import continuation_log_probs
from evals.engines.prompt_batches import MOST_LENGTHS
from evals.engines.tokens import tokenized
from pipelines.loading import load_model, load_tokenizer

CLOSE = 2e-4  # nats, in float32
EXAMPLES = "".join(
    f"Question: Which of the {word} came first?\nA. one\nB. two\nAnswer: A\n\n"
    for word in ("old", "new", "grey", "tall")
)
QUESTIONS = [f"Question: {'Is it so? ' * (number % 5 + 1)}{number}\nA. yes\nB. no\nAnswer:" for number in range(24)]
FEW_SHOT = [(EXAMPLES + question, option) for question in QUESTIONS for option in (" A", " B")]


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[Any, Any]:
    return load_model(tiny_model, training=False, dtype=torch.float32).eval(), load_tokenizer(tiny_model)


class Counted:
    """A model that counts the tokens that it is given and the positions at which its output head is computed."""

    def __init__(self, model: Any) -> None:
        self.model, self.config, self.tokens, self.heads = model, model.config, 0, 0

    def parameters(self) -> Any:
        return self.model.parameters()

    def __call__(self, **given: Any) -> Any:
        output = self.model(**given)
        self.tokens += given["input_ids"].numel()
        self.heads += output.logits.shape[0] * output.logits.shape[1]
        return output


@torch.inference_mode()
def alone(model: Any, tokenizer: Any, pairs: list[tuple[str, str]]) -> list[float]:
    """A forward pass of the whole text for each pair."""
    limit = int(model.config.max_position_embeddings)
    found = []
    for head, tail in tokenized(tokenizer, pairs):
        ids = [*head, *tail][-(limit + 1) :]
        logits = torch.log_softmax(model(input_ids=torch.tensor([ids[:-1]])).logits[0].float(), -1)
        found.append(sum(float(logits[-len(tail) + place, token]) for place, token in enumerate(tail)))
    return found


def test_a_common_beginning_is_computed_once_and_changes_no_score(loaded: tuple[Any, Any]):
    model, tokenizer = loaded
    counted = Counted(model)
    found = continuation_log_probs(counted, tokenizer, FEW_SHOT, 512, "")  # type: ignore[arg-type]
    assert found == pytest.approx(alone(model, tokenizer, FEW_SHOT), abs=CLOSE)
    beginning = len(tokenizer(EXAMPLES)["input_ids"])
    rest = sum(len(tokenizer(question)["input_ids"]) for question in QUESTIONS)
    assert beginning > 50
    assert counted.tokens < 1.25 * (beginning + rest)  # of more than 24 times the beginning
    # One length or a few in a batch, and no head at any other position.
    assert counted.heads <= MOST_LENGTHS * len(QUESTIONS) + 1


def test_words_as_options_and_prompts_that_begin_otherwise(loaded: tuple[Any, Any]):
    model, tokenizer = loaded
    words = [
        (prompt, f" {'a rather long answer ' * (place % 3)}no. {place}") for place, (prompt, _) in enumerate(FEW_SHOT)
    ]
    others = [
        ("Who?", " He did"),
        ("", " It rains"),
        (EXAMPLES * 12 + "Who?", " He did"),
        (EXAMPLES * 12 + "Who?", " A"),
    ]
    limit = model.config.max_position_embeddings
    assert len(tokenizer(others[2][0])["input_ids"]) > limit  # its beginning is cut away
    pairs = [*others, *words, *others]
    found = continuation_log_probs(model, tokenizer, pairs, 700, "")
    assert found == pytest.approx(alone(model, tokenizer, pairs), abs=5 * CLOSE)


def test_all_prompts_alike_and_a_single_one(loaded: tuple[Any, Any]):
    model, tokenizer = loaded
    same = [(EXAMPLES + QUESTIONS[0], f" {letter}") for letter in "ABCD"]
    assert continuation_log_probs(model, tokenizer, same, 512, "") == pytest.approx(
        alone(model, tokenizer, same), abs=CLOSE
    )
    prefix = [(EXAMPLES, " A"), (EXAMPLES + QUESTIONS[0], " A")]  # one is the other's beginning
    assert continuation_log_probs(model, tokenizer, prefix, 512, "") == pytest.approx(
        alone(model, tokenizer, prefix), abs=CLOSE
    )
    assert continuation_log_probs(model, tokenizer, [], 512, "") == []


def test_a_model_with_a_sliding_window_keeps_no_past(tiny_model: Path):
    tokenizer = load_tokenizer(tiny_model)
    set_seed(3)
    model = MistralForCausalLM(
        MistralConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            sliding_window=16,
            max_position_embeddings=512,
        )
    ).eval()
    pairs = [(prompt, option + " and so on") for prompt, option in FEW_SHOT[:12]]
    found = continuation_log_probs(model, tokenizer, [*FEW_SHOT, *pairs], 512, "")
    assert found == pytest.approx(alone(model, tokenizer, [*FEW_SHOT, *pairs]), abs=CLOSE)


def test_the_number_of_threads_is_given_back(loaded: tuple[Any, Any]):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    together = continuation_log_probs(*loaded, FEW_SHOT, 256, "")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    assert continuation_log_probs(*loaded, FEW_SHOT, 256, "") == pytest.approx(together, abs=CLOSE)
    torch.set_num_threads(before)

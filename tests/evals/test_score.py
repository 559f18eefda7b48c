"""Log-likelihood scoring against a computation one token at a time, and against lm-eval on the same model and prompts."""

import math
from pathlib import Path

import pytest
import torch

from corpora.bundled.render import render
from corpora.records import ExamItem
from evals.engines.continuations import continuation_log_probs
from evals.likelihood import bits_per_byte, token_log_probs
from evals.score import Asker, chat_asker, plain_asker, question_text, score_items
from pipelines import loading


@pytest.fixture(scope="module")
def loaded(base_model: Path):
    model = loading.load_model(base_model, training=True).eval()
    return model, loading.load_tokenizer(base_model)


def one_by_one(model, tokenizer, before: str, after: str) -> float:
    """The chain rule, a forward pass a token."""
    ids = tokenizer(before)["input_ids"]
    total = 0.0
    for token in tokenizer(after)["input_ids"]:
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        total += float(torch.log_softmax(logits.float(), -1)[token])
        ids = [*ids, token]
    return total


PAIRS = [
    ("Question: What is rain?\nAnswer:", " Water that falls from the sky"),
    ("Question: Who?\nAnswer:", " He"),
    ("A much longer prompt, so that the rows of the batch are of different lengths, and padding is needed:", " yes"),
]


def test_batched_scores_equal_the_chain_rule(loaded):
    model, tokenizer = loaded
    found = continuation_log_probs(model, tokenizer, PAIRS, batch_tokens=256, label="")
    for (before, after), value in zip(PAIRS, found, strict=True):
        assert value == pytest.approx(one_by_one(model, tokenizer, before, after), abs=2e-3)


def test_scores_do_not_depend_on_the_batch(loaded):
    model, tokenizer = loaded
    alone = continuation_log_probs(model, tokenizer, PAIRS, batch_tokens=1, label="")
    together = continuation_log_probs(model, tokenizer, PAIRS, batch_tokens=10_000, label="")
    assert alone == pytest.approx(together, abs=2e-3)


def test_bits_per_byte_by_hand(loaded):
    model, tokenizer = loaded
    text = "The old ferry left the harbour."
    ids = torch.tensor([[tokenizer.eos_token_id, *tokenizer(text)["input_ids"]]])
    nats = -float(token_log_probs(model, ids, torch.ones_like(ids)).sum())
    assert bits_per_byte(model, tokenizer, [text]) == pytest.approx(nats / math.log(2) / len(text.encode()), abs=1e-6)


def test_bits_per_byte_of_no_text_is_an_error(loaded):
    with pytest.raises(ValueError, match="no text"):
        bits_per_byte(*loaded, [])


def items() -> list[ExamItem]:
    return [item for item in render("bundled-exam") if isinstance(item, ExamItem)][:40]


def lm_eval_choices(model, tokenizer, asker: Asker, asked: list[ExamItem], letters: bool) -> list[int]:
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    lm = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=8, device="cpu", max_length=512)
    requests = []
    for item in asked:
        for number, option in enumerate("ABCD" if letters else item.options):
            context = asker.prompt(question_text(item, letters), item.context)
            requests.append(Instance("loglikelihood", {}, (context, f"{asker.lead}{option}"), number))
    scores = [value for value, _ in lm.loglikelihood(requests, disable_tqdm=True)]
    return [max(range(4), key=lambda option, start=4 * place: scores[start + option]) for place in range(len(asked))]


@pytest.mark.parametrize("letters", [False, True])
def test_the_same_options_as_lm_eval_are_chosen(loaded, letters: bool):
    model, tokenizer = loaded
    asked = items()
    ours = [answer.chosen for answer in score_items(model, tokenizer, asked, plain_asker(), letters=letters)]
    assert ours == lm_eval_choices(model, tokenizer, plain_asker(), asked, letters)


def test_letters_are_listed_under_the_question():
    item = ExamItem(id="1", question="Which?", options=["x", "y"], answers=[0], context="A text.")
    assert question_text(item, letters=True) == "Which?\nA. x\nB. y"
    assert plain_asker().prompt("Which?", "A text.") == "Abstract: A text.\nQuestion: Which?\nAnswer:"


def test_the_chat_prompt_is_the_models_own(loaded):
    _, tokenizer = loaded
    prompt = chat_asker(tokenizer, "Be brief.").prompt("Which?", "")
    assert prompt == "<|im_start|>user\nWhich? Be brief.<|im_end|>\n<|im_start|>assistant\n"


def test_normalisation_changes_the_score_as_said(loaded):
    model, tokenizer = loaded
    asked = items()[:3]
    plain = score_items(model, tokenizer, asked, plain_asker())
    by_byte = score_items(model, tokenizer, asked, plain_asker(), normalise="bytes")
    gain = score_items(model, tokenizer, asked, plain_asker(), normalise="unconditional")
    for item, a, b, c in zip(asked, plain, by_byte, gain, strict=True):
        for number, option in enumerate(item.options):
            text = " " + option
            assert b.scores[number] == pytest.approx(a.scores[number] / len(option.encode()))
            alone = one_by_one(model, tokenizer, "Answer:", text)
            assert c.scores[number] == pytest.approx(a.scores[number] - alone, abs=5e-3)
    with pytest.raises(ValueError, match="normalise is"):
        score_items(model, tokenizer, asked, plain_asker(), normalise="length")


def test_an_oracle_scores_all_and_a_blind_one_chance(loaded):
    model, tokenizer = loaded
    asked = items()
    told = [item.model_copy(update={"context": f"The answer is: {item.options[item.answer]}. " * 3}) for item in asked]
    oracle = sum(answer.right for answer in score_items(model, tokenizer, told, plain_asker()))
    assert oracle / len(asked) > 0.8

"""Multiple-choice scoring by log-likelihood: the option that the model finds likeliest is its answer.

Two ways to ask, by the task's convention:

- ``text``: ``Question: …`` / ``Answer:`` and the options' texts, each scored as the continuation (OLMES, Gu et al. 2024,
  calls it the cloze format; the right one for small models, and for PubMedQA's yes, no and maybe).
- ``letters``: the options are listed as ``A. …`` and the letters scored, as MedQA and MedMCQA are usually asked.

Tasks of ``evals/tasks`` are laid out by ``evals.exam.prompts`` and asked by ``evals.asking.asked``. This shorter way stays beside them for the exam stage of a recipe:

- its items are records that any corpus of the recipe gives, with the recipe's own instruction, and no file says how they are asked;
- its model is in memory already, which a task's engine, cache and results folder would only stand around: the stage goes on model by model, and its
  answers are in the run's artifact;
- all items are scored in one call, while a task goes on by chunks to be kept. Batches of other sizes give other last bits, so that runs of a recipe
  would no longer be compared with those before.

What makes the numbers is not there twice: log-probabilities are those of ``evals.engines.continuations``, normalisation that of
``evals.asking.normalisation``; and that task ``bundled-exam`` has the very prompts of the stage is tested (``tests/evals/test_tasks.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import nn

from corpora.records import LETTERS, ExamItem
from evals.asking.normalisation import WAYS, normalised
from evals.engines.continuations import continuation_log_probs


@dataclass(frozen=True)
class Answer:
    """What a model made of one item."""

    item: str
    chosen: int
    right: bool
    scores: tuple[float, ...]  # one for each option, after normalisation


@dataclass(frozen=True)
class Asker:
    """How prompts and continuations are laid out for one model.

    ``prompt`` takes the question and its passage (either may be empty) and returns what stands before the answer; ``lead`` is
    put before each option.
    """

    prompt: Callable[[str, str], str]
    lead: str


def plain_asker() -> Asker:
    """``Abstract: …`` / ``Question: …`` / ``Answer:``, for models that were not fine-tuned to chat."""

    def prompt(question: str, passage: str = "") -> str:
        lines = [f"Abstract: {passage}"] if passage else []
        return "\n".join([*lines, *([f"Question: {question}"] if question else []), "Answer:"])

    return Asker(prompt, " ")


def chat_asker(tokenizer: Any, instruction: str) -> Asker:
    """The model's own chat template, the question and ``instruction`` as the user's turn."""

    def prompt(question: str, passage: str = "") -> str:
        content = " ".join(part for part in (question, instruction) if part)
        content = f"{passage}\n\n{content}" if passage else content
        messages = [{"role": "user", "content": content}]
        return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    return Asker(prompt, "")


def question_text(item: ExamItem, letters: bool) -> str:
    """The question as it is put, for ``letters`` with the options listed beneath it.

    A heading over the options, as MedMCQA has one, is in the item's ``meta``.
    """
    text = item.question
    if letters:
        text += f"\n{item.meta['options_heading']}" if "options_heading" in item.meta else ""
        text += "".join(f"\n{letter}. {option}" for letter, option in zip(LETTERS, item.options, strict=False))
    return text


def score_items(
    model: nn.Module,
    tokenizer: Any,
    items: Sequence[ExamItem],
    asker: Asker,
    letters: bool = False,
    normalise: str = "none",
    batch_tokens: int = 2048,
    label: str = "exam",
) -> list[Answer]:
    """Every item's answer, in the order of ``items``.

    Raises:
        ValueError: an unknown way to normalise.
    """
    if normalise not in WAYS:
        raise ValueError(f"normalise is {', '.join(WAYS[:-1])} or {WAYS[-1]}, not {normalise!r}")
    model.eval()
    options = [list(LETTERS[: len(item.options)]) if letters else item.options for item in items]
    pairs = [
        (asker.prompt(question_text(item, letters), item.context), f"{asker.lead}{option}")
        for item, its_options in zip(items, options, strict=True)
        for option in its_options
    ]

    def log_probs_of(asked: Sequence[tuple[str, str]]) -> list[float]:
        return continuation_log_probs(model, tokenizer, asked, batch_tokens, label)

    log_probs = normalised(log_probs_of(pairs), pairs, normalise, asker.prompt("", ""), log_probs_of)
    answers: list[Answer] = []
    start = 0
    for item in items:
        scores = tuple(log_probs[start : start + len(item.options)])
        start += len(item.options)
        chosen = max(range(len(scores)), key=scores.__getitem__)
        answers.append(Answer(item.id, chosen, chosen == item.answer, scores))
    return answers

"""Questions whose answers a rule can check, and what the verifiers of a recipe give to an answer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from corpora.errors import DataError
from corpora.records import LETTERS, Dialogue, ExamItem, Message
from evals.reading.replies import after_thinking
from evals.score import question_text
from evals.verifiers import right_form, right_number, right_option, right_referral, stated_number
from pipelines.config import Corpus, Rewards, Verifier
from pipelines.data import Sources, records
from pipelines.preference_data.facts import content_words, judge


@dataclass(frozen=True)
class Asked:
    """A question as it is put to the model, and what is known of its right answer."""

    id: str
    kind: str  # item, number, emergency or other
    prompt: tuple[Message, ...]
    options: tuple[str, ...] = ()
    right: tuple[int, ...] = ()  # places of the right options
    reference: str = ""  # a right answer, in words; of kind number, one that states the right number
    meta: dict[str, Any] = field(default_factory=dict)  # of the record

    def messages(self) -> list[dict[str, str]]:
        """The form that chat templates and TRL take."""
        return [message.as_dict() for message in self.prompt]


def of_item(item: ExamItem, block: Rewards) -> Asked:
    """An exam item as a question."""
    text = question_text(item, letters=block.options == "letters")
    if block.options == "text":
        text += "".join(f"\n- {option}" for option in item.options)
    parts = (item.context, text, block.instruction)
    content = "\n\n".join(part for part in parts if part)
    key = "; ".join(
        f"{LETTERS[place]}. {item.options[place]}" if place < len(LETTERS) else item.options[place]
        for place in item.answers
    )
    asked = (Message(role="user", content=content),)
    return Asked(item.id, "item", asked, tuple(item.options), tuple(item.answers), key, item.meta)


def of_dialogue(dialogue: Dialogue, block: Rewards) -> Asked:
    """A dialogue's last question; its last answer is the reference where it states one number."""
    *before, answer = dialogue.messages
    if block.instruction:
        before[-1] = Message(role=before[-1].role, content=f"{before[-1].content}\n\n{block.instruction}")
    kind = "other"
    if dialogue.meta.get("judge") == "emergency":
        kind = "emergency"
    elif stated_number(answer.content) is not None:
        kind = "number"
    return Asked(dialogue.id, kind, tuple(before), reference=answer.content, meta=dialogue.meta)


_KINDS: dict[Verifier, str] = {"right_option": "item", "right_number": "number", "emergency": "emergency"}


def _applies(name: Verifier, asked: Asked) -> bool:
    """Whether the verifier can judge an answer to the question: ``facts`` where a reference has words in English, ``format`` always."""
    if name == "facts":
        return asked.kind != "item" and bool(content_words(asked.reference))
    return name not in _KINDS or asked.kind == _KINDS[name]


def asked_of(items: Iterable[Corpus], prompts: Iterable[Corpus], block: Rewards, sources: Sources) -> list[Asked]:
    """The questions of exam items and of dialogues.

    Raises:
        DataError: as ``records``; or a question is one that no verifier of the recipe can judge.
    """
    found: list[Asked] = []
    for corpus in items:
        found += [of_item(item, block) for item in records([corpus], sources, ExamItem)]
    for corpus in prompts:
        for dialogue in records([corpus], sources, Dialogue):
            asked = of_dialogue(dialogue, block)
            if not any(_applies(name, asked) for name in block.rewards):
                raise DataError(
                    f"corpus '{corpus.name}', dialogue '{dialogue.id}': none of the rewards ({', '.join(block.rewards)}) can judge "
                    "it: its last answer states no one number and it is no emergency (meta.judge); leave it out with "
                    "exclude, or add the reward format or facts"
                )
            found.append(asked)
    return found


def verdict(name: Verifier, asked: Asked, answer: str, block: Rewards) -> float | None:
    """What one verifier gives to an answer, from 0 to 1 (``facts`` from -1); None where it does not apply to the question."""
    if not _applies(name, asked):
        return None
    if name == "facts":
        # Whether the answer ended by itself is not told here; TRL counts it (``cut_off``).
        return judge(asked.prompt[-1].content, asked.reference, after_thinking(answer) or "", True, asked.meta)
    if name == "right_option":
        return right_option(answer, asked.options, asked.right)
    if name == "right_number":
        return right_number(answer, asked.reference, block.tolerance.relative, block.tolerance.absolute)
    return right_referral(answer) if name == "emergency" else right_form(answer, block.format)


def reward(asked: Asked, answer: str, block: Rewards) -> float:
    """The weighted sum of what the recipe's verifiers give, as TRL's GRPOTrainer adds them up."""
    found = {name: verdict(name, asked, answer, block) for name in block.rewards}
    return sum(block.rewards[name] * value for name, value in found.items() if value is not None)

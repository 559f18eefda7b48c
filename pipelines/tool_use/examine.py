"""The exam on tools and passages.

Every prompt is a turn of the assistant of ``serving``: its calls are carried out, and its last text is what a person would read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, convert_to_openai_messages

from evals.engines.generate import greedy_answers
from pipelines.exam import share
from pipelines.tool_use.cases import Case
from pipelines.tool_use.marks import MARKS, marks
from pipelines.tool_use.turns import Talk, schemas, talk

MAX_NEW_TOKENS = 96
Generate = Callable[[list[list[BaseMessage]], list[tuple[str, ...]]], list[str]]


def sit(cases: Sequence[Case], generate: Generate) -> list[Talk]:
    """The turn of each case, with all that wait for the model asked at once.

    Args:
        cases: the prompts.
        generate: the model's texts to conversations, each with the names of the tools that are offered.
    """
    turns = [talk(case.question, case.tools, case.passages) for case in cases]
    waiting = {place: next(turn) for place, turn in enumerate(turns)}
    done: dict[int, Talk] = {}
    while waiting:
        places = list(waiting)
        texts = generate([waiting[place].messages for place in places], [cases[place].tools for place in places])
        for place, text in zip(places, texts, strict=True):
            try:
                waiting[place] = turns[place].send(text)
            except StopIteration as end:
                done[place] = end.value
                del waiting[place]
    return [done[place] for place in range(len(cases))]


def in_process(model: Any, tokenizer: Any, label: str) -> Generate:
    """Greedy texts of a model in this process, in its chat format."""

    def generate(conversations: list[list[BaseMessage]], tools: list[tuple[str, ...]]) -> list[str]:
        prompts = [
            str(
                tokenizer.apply_chat_template(
                    _openai(messages), tools=schemas(names) or None, tokenize=False, add_generation_prompt=True
                )
            )
            for messages, names in zip(conversations, tools, strict=True)
        ]
        return greedy_answers(model, tokenizer, prompts, max_new_tokens=MAX_NEW_TOKENS, label=label)

    return generate


def _openai(messages: list[BaseMessage]) -> list[dict[str, Any]]:
    found = convert_to_openai_messages(messages)
    return found if isinstance(found, list) else [found]


def examine_tool_use(cases: Sequence[Case], generate: Generate) -> dict[str, Any]:
    """Shares of the marks over all cases that they apply to and by kind of case, and what was said to each prompt."""
    done = sit(cases, generate)
    marked = [marks(case, one) for case, one in zip(cases, done, strict=True)]
    found: dict[str, Any] = {"prompts": len(cases), "marks": {}, "kinds": {}}
    for name in MARKS:
        rows = [(case.kind, one[name]) for case, one in zip(cases, marked, strict=True) if name in one]
        if rows:
            found["marks"][name] = share(sum(right for _, right in rows), len(rows))
            for kind in dict.fromkeys(kind for kind, _ in rows):
                part = [right for one, right in rows if one == kind]
                found["kinds"].setdefault(kind, {})[name] = share(sum(part), len(part))
    found["answers"] = [
        {"id": case.id, "question": case.question, "texts": one.texts, "marks": right}
        for case, one, right in zip(cases, done, marked, strict=True)
    ]
    return found

"""The dialogues: each case as it goes when every text of the model is right."""

from __future__ import annotations

import json
from collections.abc import Iterator

from langchain_core.messages import BaseMessage

from corpora.bundled.render import SOURCE
from corpora.errors import DataError
from corpora.records import Dialogue, ToolCall
from pipelines.tool_use.cases import Case, cases
from pipelines.tool_use.knowledge import Split, wordings
from pipelines.tool_use.turns import Talk, as_chunk, recorded, schemas, talk


def right_answer(case: Case, done: Talk) -> str:
    """The right text at this point of the turn: a call, or the answer from what the tool gave."""
    answers = wordings()["answers"]
    if case.call is None:
        return case.answer
    if not done.results:
        return written_call(case.call)
    result = done.results[-1].artifact
    if case.call.name in wordings()["calculations"]:
        return str(wordings()["calculations"][case.call.name]["answer"].format(value=f"{result.value:g}"))
    if not result.found:
        return str(answers["no_interaction"])
    return str(answers["interaction"].format(effect="; ".join(one.effect for one in result.found)))


def written_call(call: ToolCall) -> str:
    """A call as the chat template writes it."""
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    return f'<tool_call>\n{{"name": "{call.name}", "arguments": {arguments}}}\n</tool_call>'


def dialogue(case: Case) -> Dialogue:
    """The case as it goes when every text of the model is right."""
    turn = talk(case.question, case.tools, case.passages)
    last: list[BaseMessage] = []
    try:
        done = next(turn)
        while True:
            text = right_answer(case, done)
            last = [*done.messages, as_chunk(text)]
            if case.ends_with_call:
                break
            turn.send(text)
    except StopIteration:
        pass
    return Dialogue(
        id=case.id,
        messages=recorded(last),
        tools=schemas(case.tools),
        source=SOURCE,
        meta={"case": case.model_dump(mode="json")},
    )


def render(name: str, renderings: int = 1, seed: int = 0) -> Iterator[Dialogue]:
    """Dialogues of ``bundled-tool-dialogues`` (training) or ``bundled-tool-exam`` (300 held-out prompts), as ``corpora.bundled.render``.

    Raises:
        DataError: there is no such corpus.
    """
    splits: dict[str, Split] = {"bundled-tool-dialogues": "train", "bundled-tool-exam": "held_out"}
    if name not in splits:
        raise DataError(f"no bundled corpus on tool use is called '{name}'; there are: {', '.join(splits)}")
    split = splits[name]
    return map(dialogue, cases(split, 1 if split == "held_out" else renderings, seed))

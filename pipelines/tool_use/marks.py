"""What is right and wrong about a turn, against what a right answer does."""

from __future__ import annotations

import re
from typing import Any

from langchain_core.messages import ToolMessage

from pipelines.tool_use.cases import Case
from pipelines.tool_use.knowledge import wordings
from pipelines.tool_use.turns import Talk, read_calls

# What each mark means, in the order of the report.
MARKS = {
    "well_formed": "writes a call, and it is well formed",
    "right_tool": "calls the right tool",
    "right_arguments": "with the right arguments",
    "consistent": "answers as the tool's result says",
    "whole": "all four",
    "no_call": "calls nothing where no call is due",
    "asks": "asks for the missing value",
    "told": "a wrong call was carried out, and the person is told what was made up or left out",
    "cites": "cites the right passage and no other",
    "quotes": "answers with what the passage says",
    "says_so": "says that no passage answers",
}


def marks(case: Case, done: Talk) -> dict[str, bool]:
    """The marks that apply to the case."""
    if case.call is not None:
        return _call_marks(case, done)
    found = {"no_call": not done.results and "<tool_call>" not in done.answer}
    cited = {int(mark) for mark in re.findall(r"\[(\d{1,2})\]", done.answer)}
    if case.kind == "missing":
        found["asks"] = found["no_call"] and case.value in done.answer.lower()
        found |= _told(done)
    elif case.kind in ("fact", "notice"):
        found["cites"] = cited == {case.number}
        found["quotes"] = _plain(case.value) in _plain(done.answer)
    elif case.kind == "nothing":
        found["says_so"] = _plain(wordings()["answers"]["nothing"]) in _plain(done.answer) and not cited
    return found


def _call_marks(case: Case, done: Talk) -> dict[str, bool]:
    assert case.call is not None
    first = read_calls(done.texts[0]) if done.texts else None
    calls = first[1] if first is not None else []
    tool = len(calls) == 1 and calls[0][0] == case.call.name
    arguments = done.called[0] if done.called else {}
    found = {
        "well_formed": bool(calls),
        "right_tool": tool,
        "right_arguments": tool and _same(arguments, case.call.arguments),
        "consistent": len(done.results) == 1 and _follows(done.answer, done.results[0]),
    }
    found["whole"] = all(found.values())
    return found if found["right_arguments"] else found | _told(done)


def _told(done: Talk) -> dict[str, bool]:
    """Whether the assistant has said below the answer that arguments were not those of the person's words; nothing where no call was carried out."""
    if all(result.status != "success" for result in done.results):
        return {}
    return {"told": any({"unsaid", "left_out"} & call.keys() for call in done.used.get("tools", ()))}


def _same(given: dict[str, Any], right: dict[str, Any]) -> bool:
    """Whether arguments mean the same to the tools: numbers by value, lists of names in any order and case, with or without spaces around them."""

    def meant(value: Any) -> Any:
        return sorted(str(one).strip().lower() for one in value) if isinstance(value, list) else value

    return {key: meant(value) for key, value in given.items()} == {key: meant(value) for key, value in right.items()}


def _follows(answer: str, result: ToolMessage) -> bool:
    """Whether the answer says what the tool found: the score and no other number, or each interaction's effect, or that there is none."""
    found = result.artifact
    if found is None:  # the tool refused, and there is nothing to state
        return False
    if hasattr(found, "value"):
        return [float(number) for number in re.findall(r"-?\d+(?:\.\d+)?", answer)] == [float(found.value)]
    none = "no interaction" in answer.lower()
    return none is not bool(found.found) and all(_plain(one.effect) in _plain(answer) for one in found.found)


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().rstrip(".").lower()

"""Finds a calculator or an interaction check, and its arguments, in what a person wrote; for models that call no tools.

Rules only: a number counts for an input when it stands beside one of the input's names, a yes-or-no item when it is named or
denied. What is not said is asked for, units included; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage

from serving.calculators import CALCULATORS, Calculator
from serving.calculators.units import tidy_unit
from serving.reference import known_medicines
from serving.router.inputs import extract, name_pattern

COMPUTE = re.compile(
    r"\b(calculat\w*|comput\w*|work(ed)? out|estimat\w*|convert\w*|score this)\b|计算|算一下|换算", re.IGNORECASE
)
TOGETHER = re.compile(
    r"\b(interact\w*|together|combin\w*|mix\w*|with|both)\b|相互作用|一起|同时|合用|联用|并用|能吃|能用|可以吃|可以用|和",
    re.IGNORECASE,
)
ASK = "To work out {title}, I still need: "


@dataclass(frozen=True)
class Route:
    """A tool to call, the arguments that were said, and those still to ask for."""

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    question: str = ""  # asks for what is missing


def find_calculator(text: str) -> Calculator[Any] | None:
    """The calculator whose longest name occurs in ``text``."""
    low = text.lower()
    hits = [
        (len(name), one)
        for one in CALCULATORS.values()
        if one.name != "convert"  # its arguments are words, which no rule here reads
        for name in (one.name, *one.aliases)
        if re.search(name_pattern(name), low) and (name != "map" or "MAP" in text)
    ]
    return max(hits, key=lambda hit: hit[0])[1] if hits else None


def _complete(one: Calculator[Any], text: str, latest: str) -> Route:
    found = extract(one, text)
    missing = one.missing(found)
    # The answer to a question for one unit is often the unit alone.
    units = [name for name in missing if name.endswith("_unit") and name.removesuffix("_unit") in found]
    if len(units) == 1:
        choices = get_args(one.inputs.model_fields[units[0]].annotation)
        said = [tidy_unit(word.strip(".,")) for word in latest.split()]
        match = next((word for word in reversed(said) if word in choices), None)
        if match:
            found[units[0]] = match
            missing.remove(units[0])
    if not missing:
        return Route(one.name, found)
    items = "; ".join(f"{name.replace('_', ' ')} ({one.inputs.model_fields[name].description})" for name in missing)
    return Route(one.name, found, missing, ASK.format(title=one.title) + items + ".")


def _squeezed(text: str) -> str:
    """The text without long runs of white space, over which the patterns above would go again from every place of it."""
    return re.sub(r" ?\n\s*", "\n", re.sub(r"[^\S\n]+", " ", text))


def route(messages: Sequence[BaseMessage]) -> Route | None:
    """The tool that the last message asks for, or None.

    A calculator is meant when it is named and either some of its inputs are said or the text asks for a computation, or when the
    answer before asked for its missing inputs. An interaction check is meant when two known medicines are named with a word
    such as "together".
    """
    humans = [(at, _squeezed(str(turn.text))) for at, turn in enumerate(messages) if isinstance(turn, HumanMessage)]
    if not humans:
        return None
    latest = humans[-1][1]
    one = find_calculator(latest)
    if one is not None and (COMPUTE.search(latest) or any(name != "sex" for name in extract(one, latest))):
        return _complete(one, latest, latest)
    previous = next((str(turn.text) for turn in reversed(messages[: humans[-1][0]]) if isinstance(turn, AIMessage)), "")
    asked = next((one for one in CALCULATORS.values() if ASK.format(title=one.title) in previous), None)
    if asked is not None:
        said: list[str] = []
        for _, text in reversed(humans):
            said.insert(0, text)
            if find_calculator(text) is asked:
                break
        return _complete(asked, ". ".join(said), latest)
    medicines = known_medicines(latest)
    if len(medicines) >= 2 and TOGETHER.search(latest):
        return Route("check_interactions", {"medicines": medicines})
    return None

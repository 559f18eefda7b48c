"""How large a JSON schema may be to which an answer is held, or a tool's call.

vLLM makes a grammar of it before it writes, in one process for everybody. The seconds beside the limits were measured with a vocabulary
of 8,192 on one core, with xgrammar 0.2 unless another is named.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from serving.gateway.fields import bad

Node = dict[str, Any]  # an object anywhere in a schema
_TIMES = ("minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties")
_NUMBER = ("minProperties", "maxProperties")
_NAMED = ("properties", "patternProperties")
_TEXTS = ("enum", "const", "pattern", "patternProperties")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_REPEATS = re.compile(r"\{(\d*)(?:,(\d*))?\}")
_LONGEST = 20  # digits of a repetition that are read: Python reads no number of thousands


def _numbers(node: Node, names: tuple[str, ...]) -> list[float]:
    return [node[name] for name in names if isinstance(node.get(name), int | float)]


def _patterns(node: Node) -> list[str]:
    return list(node["patternProperties"]) if isinstance(node.get("patternProperties"), dict) else []


def _listed(node: Node) -> list[Any]:
    return node["enum"] if isinstance(node.get("enum"), list) else []


def _properties(node: Node) -> int:
    named = node.get("properties")
    return len(_patterns(node)) + (len(named) if isinstance(named, dict) else 0)


def _numbered_properties(node: Node) -> int:
    return _properties(node) if _numbers(node, _NUMBER) else 0


def _signs(node: Node) -> int:
    texts = (*_listed(node), *_patterns(node), node.get("const"), node.get("pattern"))
    return sum(len(text) for text in texts if isinstance(text, str))


def _repetitions(node: Node) -> int:
    """How often a sign may stand in keys of ``patternProperties``, one repetition within the other at worst."""
    found = [_REPEATS.findall(pattern) for pattern in _patterns(node)]
    # At least once each: in a{4000}b{0} the b takes nothing from the a.
    return sum(math.prod(max(1, *map(_number, told)) for told in counts) for counts in found if counts)


def _number(told: str) -> int:
    return int(told or 1) if len(told) <= _LONGEST else 10**_LONGEST


@dataclass(frozen=True)
class Limit:
    """How much of one thing a schema may have.

    Attributes:
        most: So much, in one of its objects or in all of them ``together``.
        what: Of what, in the words of the refusal.
        keywords: An object without any of them has nothing of it.
        counted: How much one object has.
    """

    most: int
    what: str
    keywords: tuple[str, ...]
    counted: Callable[[Node], float]
    together: bool = True


LIMITS = (
    # llguidance 1.7: 0.1 s for maxItems 10,000, 10 s for a million; for a thousand million over a minute, and 16 GiB at once.
    Limit(10_000, f"as any of {', '.join(_TIMES)}", _TIMES, lambda one: max(_numbers(one, _TIMES), default=0), False),
    # 1.1 s for 500 of one object, 11 s for 1,000.
    Limit(500, "properties in one object", _NAMED, _properties, False),
    # 3.2 s for maxProperties beside 100.
    Limit(50, f"properties in one object with {' or '.join(_NUMBER)}", _NUMBER, _numbered_properties, False),
    Limit(1_000, "properties", _NAMED, _properties),
    # 4 s for 10,000.
    Limit(1_000, "values of enum", ("enum",), lambda one: len(_listed(one))),
    # 1.9 s for a{2000}, 8.2 s for a{4000}, and so on.
    Limit(1_000, "repetitions in keys of patternProperties", ("patternProperties",), _repetitions),
    # 1 s for a text of 16,000, 1.9 s for one of 32,000.
    Limit(16_000, f"characters in {', '.join(_TEXTS)}", _TEXTS, _signs),
    # 1 s for 100 ranges of large numbers, 3.5 s for 300.
    Limit(200, "least and greatest numbers", _BOUNDS, lambda one: len(_numbers(one, _BOUNDS))),
)
_KEYWORDS = frozenset(keyword for limit in LIMITS for keyword in limit.keywords)


def check_schema(schema: Any, param: str) -> None:
    """Raises Refused where a schema repeats, or lists, more than a grammar can be made of while others wait."""
    totals = [0.0] * len(LIMITS)
    for node in _nodes(schema):
        if _KEYWORDS.isdisjoint(node):
            continue
        for at, limit in enumerate(LIMITS):
            totals[at] = limit.counted(node) + (totals[at] if limit.together else 0)
            if totals[at] > limit.most:
                raise bad(f"a schema may have {limit.most} {limit.what} at most", param)


def _nodes(schema: Any) -> Iterator[Node]:
    """Every object in it, at whatever depth."""
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one

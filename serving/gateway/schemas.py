"""How large a JSON schema may be to which an answer is held, or a tool's call.

vLLM makes a grammar of it before it writes, in one process for everybody. Measured with a vocabulary of 8,192 on one core: llguidance
1.7 takes 0.1 s for ``maxItems`` 10,000, 10 s for a million, and for a thousand million more than a minute, in which vLLM answers
nobody, and 16 GiB at once. xgrammar 0.2 takes 4 s for 10,000 values of ``enum``; 1.1 s for 500 properties of one object and 11 s for
1,000; 1 s for a text of 16,000 characters and 1.9 s for one of 32,000; 1 s for 100 ranges of large numbers and 3.5 s for 300; 3.2 s for
``maxProperties`` beside 100 properties; and 1.9 s for ``a{2000}`` as a key of ``patternProperties``, 8.2 s for ``a{4000}``, and so on.
"""

from __future__ import annotations

import math
import re
from typing import Any

from serving.gateway.fields import bad

MOST_TIMES = 10_000  # that something may be repeated
MOST_NAMES = 1_000  # properties in all, values that are listed, and what a key of patternProperties repeats
MOST_BESIDE = 500  # properties of one object
MOST_COUNTED = 50  # of them where their number is bounded
MOST_SIGNS = 16_000  # characters of patterns and of texts that are listed
MOST_BOUNDS = 200  # least and greatest numbers
_TIMES = ("minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties")
_NAMES = ("properties", "patternProperties")
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_REPEATS = re.compile(r"\{(\d*)(?:,(\d*))?\}")


def check_schema(schema: Any, param: str) -> None:
    """Raises Refused where a schema repeats, or lists, more than a grammar can be made of while others wait."""
    properties = values = signs = bounds = repeats = 0
    waiting = [schema]
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            for name in _TIMES:
                times = one.get(name)
                if isinstance(times, int | float) and times > MOST_TIMES:
                    raise bad(f"{name} in a schema may be {MOST_TIMES} at most", param)
            beside = sum(len(one[name]) for name in _NAMES if isinstance(one.get(name), dict))
            counted = any(isinstance(one.get(name), int | float) for name in ("minProperties", "maxProperties"))
            if beside > (MOST_COUNTED if counted else MOST_BESIDE):
                raise bad(
                    f"each object of a schema may have {MOST_BESIDE} properties at most, and {MOST_COUNTED} with minProperties or maxProperties",
                    param,
                )
            properties += beside
            listed = one["enum"] if isinstance(one.get("enum"), list) else []
            values += len(listed)
            keys = list(one["patternProperties"]) if isinstance(one.get("patternProperties"), dict) else []
            repeats += sum(map(_repeats, keys))
            signs += sum(
                len(text) for text in (*listed, *keys, one.get("const"), one.get("pattern")) if isinstance(text, str)
            )
            bounds += sum(isinstance(one.get(name), int | float) for name in _BOUNDS)
            waiting += one.values()
    if properties > MOST_NAMES or values > MOST_NAMES or repeats > MOST_NAMES:
        raise bad(
            f"a schema may have {MOST_NAMES} properties, {MOST_NAMES} values of enum and {MOST_NAMES} repetitions in keys of patternProperties at most",
            param,
        )
    if signs > MOST_SIGNS or bounds > MOST_BOUNDS:
        raise bad(
            f"a schema may have {MOST_SIGNS} characters in enum, const and patterns and {MOST_BOUNDS} least and greatest numbers at most",
            param,
        )


def _repeats(pattern: str) -> int:
    """How often a sign may stand in ``pattern`` by its repetitions, one within the other at worst; 0 where it has none."""
    counts = [max(_number(told) for told in found) for found in _REPEATS.findall(pattern)]
    return math.prod(counts) if counts else 0


def _number(told: str) -> int:
    # Python reads no number of thousands of digits.
    return int(told or 1) if len(told) <= len(str(MOST_TIMES)) else MOST_TIMES

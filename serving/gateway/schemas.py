"""How large a JSON schema may be to which an answer is held, or a tool's call.

vLLM makes a grammar of it before it writes, in one process for everybody. Measured with a vocabulary of 8,192 on one core: llguidance
1.7 takes 0.1 s for ``maxItems`` 10,000, 10 s for a million, and for a thousand million more than a minute, in which vLLM answers
nobody, and 16 GiB at once; xgrammar 0.2 takes 4 s for 10,000 values of ``enum``, and as long for 1,000 properties.
"""

from __future__ import annotations

from typing import Any

from serving.gateway.fields import bad

MOST_TIMES = 10_000  # that something may be repeated
MOST_NAMES = 1_000  # properties in one schema, and as many values that are listed
_TIMES = ("minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties")
_NAMES = ("properties", "patternProperties")


def check_schema(schema: Any, param: str) -> None:
    """Raises Refused where a schema repeats, or lists, more than a grammar can be made of while others wait."""
    properties = values = 0
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
            properties += sum(len(one[name]) for name in _NAMES if isinstance(one.get(name), dict))
            values += len(one["enum"]) if isinstance(one.get("enum"), list) else 0
            waiting += one.values()
    if properties > MOST_NAMES or values > MOST_NAMES:
        raise bad(f"a schema may have {MOST_NAMES} properties and {MOST_NAMES} values of enum at most", param)

"""What a judge is asked, and what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from evals.judging.prompts import Kind, Value


@dataclass(frozen=True)
class Request:
    """One judgement that is asked for."""

    kind: Kind
    prompt: str


@dataclass(frozen=True)
class Verdict:
    """What the judge said; ``value`` is None where there is no verdict, and ``fault`` then says why."""

    value: Value | None
    reply: str = ""
    fault: str = ""  # unparsed, refused or failed


def further(extra_body: Mapping[str, Any]) -> str:
    """Further fields of a request in one line, the same for the same fields; empty where there are none."""
    return json.dumps(extra_body, sort_keys=True, ensure_ascii=False) if extra_body else ""

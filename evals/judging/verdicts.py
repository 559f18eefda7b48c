"""What a judge is asked, and what it says."""

from __future__ import annotations

from dataclasses import dataclass

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

"""By which other names people call the medicines of the bundled facts, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("medicine_names.yaml")


@lru_cache(maxsize=1)
def _content() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, str], frozenset[str]]:
    """The facts' name by each other one, all in lower case, and the names that hold one of them and are of something else."""
    content = _content()
    names = {str(other).lower(): str(name).lower() for name, others in content["names"].items() for other in others}
    return names, frozenset(str(name).lower() for names in content["not_these"] for name in names)


def usual_name(name: str) -> str:
    """The facts' name of what is also called ``name``, in lower case; ``name`` itself where it is none of the other names."""
    low = " ".join(name.lower().split())
    return _table()[0].get(low, low)


def kindred(name: str) -> set[str]:
    """Names under which the facts may tell an interaction of ``name``: its own, its kind's, and those of what is of its kind, in lower case."""
    usual = usual_name(name)
    kinds = {str(kind).lower(): [str(one).lower() for one in members] for kind, members in _content()["kinds"].items()}
    return {usual, *kinds.get(usual, ()), *(kind for kind, members in kinds.items() if usual in members)}


def names_in(text: str, names: Iterable[str]) -> list[str]:
    """Those of ``names``, and of the other names of these, that stand in ``text`` as whole words, in its order and in lower case.

    A name within a longer one does not count beside it.
    """
    low = text.lower()
    known = {name.lower() for name in names}
    others, not_these = _table()
    wanted = known | {other for other, name in others.items() if name in known}
    spans: list[tuple[int, int, str]] = []
    for name in wanted | not_these:
        if name in low:  # sooner answered than by the pattern, of which there are hundreds
            # Chinese has no spaces: its names begin and end anywhere, and Latin ones may stand right beside them.
            before = r"(?<![a-z0-9-])" if name[0].isascii() else ""
            after = r"(?![a-z0-9-])" if name[-1].isascii() else ""
            spans += [(*hit.span(), name) for hit in re.finditer(before + re.escape(name) + after, low)]
    spans.sort(key=lambda span: (span[0], -span[1]))
    found: dict[str, None] = {}
    end = 0
    for _, ends, name in spans:
        if ends <= end:
            continue
        end = ends
        if name in wanted:
            found[name] = None
    return list(found)


def with_usual_names(text: str) -> str:
    """The text, and behind it the facts' names of what it calls otherwise; so that "Tylenol" finds paracetamol, and 华法林 warfarin."""
    others = _table()[0]
    found = dict.fromkeys(others[name] for name in names_in(text, others.values()) if name in others)
    return " ".join([text, *found])

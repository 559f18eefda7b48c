"""Red flags in what a person writes, English or Chinese, found by rules and a linear reader before any model is asked.

``triage(text)`` says whether the text tells of an emergency, which, what to do first, and by which guideline. It needs no model, no network
and no other process, and one text always gets one answer. docs/triage.md says how it works and how well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from corpora.bundled.knowledge import Source
from serving.triage.catalogue import Language, advice
from serving.triage.detector import detect
from serving.triage.text import is_chinese

__all__ = ["Finding", "Match", "banner", "triage"]


@dataclass(frozen=True, slots=True)
class Match:
    """A stretch ``[start, end)`` of the text, in characters, that speaks for the emergency."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What the triage of one text came to.

    Attributes:
        emergency: Whether the text tells of an emergency.
        category: The emergency's id, such as ``heart-attack``.
        first: What to do first, in the language of the text.
        source: The guideline that it follows.
        language: The language of ``first``.
        matches: The words that it was found by.
        also: Ids of further emergencies that the text fits, less pressing.
    """

    emergency: bool
    category: str | None = None
    first: str | None = None
    source: Source | None = None
    language: Language = "en"
    matches: tuple[Match, ...] = field(default=())
    also: tuple[str, ...] = field(default=())

    def as_dict(self) -> dict[str, Any]:
        """What ``osler triage --json`` prints."""
        return {
            "emergency": self.emergency,
            "category": self.category,
            "first": self.first,
            "source": self.source.model_dump() if self.source else None,
        }


def language_of(text: str) -> Language:
    """Chinese where its characters outnumber English words, as in a sentence with a name or a drug in Latin letters."""
    characters = sum(map(is_chinese, text))
    words = sum(word[:1].isascii() and word[:1].isalpha() for word in text.split())
    return "zh" if characters > words else "en"


def triage(text: str) -> Finding:
    """Looks for emergencies in a text of any length; never raises on its content."""
    language = language_of(text)
    found = detect(text)
    if not found:
        return Finding(emergency=False, language=language)
    known = advice()[found[0].emergency]
    return Finding(
        emergency=True,
        category=known.entry.id,
        first=known.first[language],
        source=known.sources[0],
        language=language,
        matches=tuple(Match(start, end, text[start:end]) for start, end in found[0].spans),
        also=tuple(detection.emergency for detection in found[1:]),
    )


_HEADING: dict[Language, str] = {"en": "POSSIBLE EMERGENCY", "zh": "可能是急症"}
_SOURCE: dict[Language, str] = {"en": "Source", "zh": "依据"}


def banner(finding: Finding) -> str:
    """The text to put above a model's answer; empty without an emergency."""
    if not finding.emergency or finding.source is None:
        return ""
    source = f"{finding.source.title}, {finding.source.body}" + (
        f", {finding.source.year}" if finding.source.year else ""
    )
    heading, label = _HEADING[finding.language], _SOURCE[finding.language]
    return f"**{heading}**: {finding.first}\n\n({label}: {source})"

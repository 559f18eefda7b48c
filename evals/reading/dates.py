"""Dates, and times in weeks and days, as an answer says them."""

from __future__ import annotations

import datetime
import re

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DATES = [
    (re.compile(r"(?<!\d)(\d{1,2})/(\d{1,2})/(\d{4})(?!\d)"), "mdy"),
    (re.compile(r"(?<!\d)(\d{1,2})-(\d{1,2})-(\d{4})(?!\d)"), "mdy"),
    (re.compile(r"(?<!\d)(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?!\d)"), "ymd"),
    (re.compile(r"(?<!\d)(\d{4})\s?年\s?(\d{1,2})\s?月\s?(\d{1,2})\s?[日号]"), "ymd"),
    (re.compile(r"\b([A-Z][a-z]{2,8})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(\d{4})\b", re.IGNORECASE), "Mdy"),
    (re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?([A-Z][a-z]{2,8})\.?,?\s+(\d{4})\b", re.IGNORECASE), "dMy"),
]
_WEEKS = [
    re.compile(
        r"(\d+)[\"']?\s*(?:weeks?|wks?|w|周|星期)[\"']?\s*(?:,|and|&|\+|又|零)?\s*[\"']?(\d+)\s*(?:days?|d|天|日)",
        re.IGNORECASE,
    ),
    re.compile(r"(?<![\d.])(\d{1,2})\s?\+\s?(\d)(?![\d.])"),
    re.compile(r"[(\[]\s*[\"']?(\d+)[\"']?\s*,\s*[\"']?(\d+)[\"']?\s*[)\]]"),
]
_WHOLE_WEEKS = re.compile(r"(?<![\d.])(\d+)\s*(?:weeks?|wks?|周)(?!\s*[\d,+])", re.IGNORECASE)


def date_in(text: str) -> datetime.date | None:
    """The first date of the text; None where it has none, or one that the calendar has not. "1/2/2024" is the second of January."""
    for pattern, order in _DATES:
        found = pattern.search(text)
        if found is None:
            continue
        parts = dict(zip(order.lower(), found.groups(), strict=True))
        if not parts["m"].isdigit():
            month = next(
                (n for n, name in enumerate(_MONTHS, start=1) if name.startswith(parts["m"].lower()[:3])), None
            )
            if month is None or not _MONTHS[month - 1].startswith(parts["m"].lower()):
                continue
            parts["m"] = str(month)
        try:
            return datetime.date(int(parts["y"]), int(parts["m"]), int(parts["d"]))
        except ValueError:
            return None
    return None


def weeks_in(text: str) -> tuple[int, int] | None:
    """The first time in weeks and days of the text; whole weeks have 0 days."""
    for pattern in _WEEKS:
        if (found := pattern.search(text)) is not None:
            return int(found[1]), int(found[2])
    found = _WHOLE_WEEKS.search(text)
    return (int(found[1]), 0) if found is not None else None

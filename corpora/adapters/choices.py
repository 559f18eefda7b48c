"""The options of an exam question and which of them are right, in the dozen ways in which they are published."""

from __future__ import annotations

import ast
import contextlib
import json
import re
import unicodedata
from typing import Any

from corpora.adapters.fields import Row, check_text, first_name, has
from corpora.records import LETTERS

OPTION_LISTS = ("options", "option", "choices", "Options", "answer_options", "endings", "选项")
# Before the letter of an option.
LETTERED_COLUMNS = (
    "op",
    "option_",
    "option",
    "Option_",
    "Option ",
    "choice_",
    "choice",
    "Choice ",
    "选项",
    "",
)
NUMBERED_COLUMNS = ("op", "opt", "option", "option_", "choice", "choice_", "Option ", "Choice ", "选项")
MARKS = ("key", "letter", "label", "aid", "id")  # fields of an option that is an object
TEXTS = ("value", "content", "text", "atext", "option")
RIGHT = ("is_correct", "isCorrect", "correct")  # says of an option whether it is right
_LETTER = "A-Ja-jＡ-Ｊａ-ｊ"
# Capitals alone: one item of MedMCQA has "a)" before its options, and is asked so, as lm-eval asks it.
LETTERED = re.compile(r"[(（]?([A-JＡ-Ｊ])[)）.．、:：]\s*(\S.*)", re.DOTALL)
LETTER_ALONE = re.compile(rf"(?:op|opt|option|choice|选项)?[\s_]*[(（\[]?([{_LETTER}])[)）\].．、:：]?", re.IGNORECASE)
LISTED = re.compile(r"(?:^|\n|\s{2,}|[;；|])\s*[(（]?([A-JＡ-Ｊ])[)）.．、:：]\s*|(?:^|\n)([A-JＡ-Ｊ])\s+(?=\S)")
_QUOTED = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_ARRAY = re.compile(rf"\[\s*{_QUOTED}(?:\s+{_QUOTED})+\s*\]")  # as NumPy prints an array of texts, without commas


def options_of(row: Row) -> tuple[list[str], list[str]]:
    """The marks of the options (letters or numbers, as published) and their texts, in the order of the letters.

    Raises:
        KeyError: the row has no options.
        ValueError: they are empty, of another form, or fewer than two.
    """
    for start in NUMBERED_COLUMNS:
        if has(row, f"{start}1", f"{start}2"):
            first = 0 if f"{start}0" in row else 1
            numbers = [str(n) for n in range(first, first + 10) if not _blank(row.get(f"{start}{n}"))]
            return numbers, _texts([row[f"{start}{n}"] for n in numbers])
    if has(row, "ending0", "ending1"):  # SWAG's columns, in which some copies of MedQA are
        numbers = [str(n) for n in range(10) if f"ending{n}" in row]
        return list(LETTERS[: len(numbers)]), _texts([row[f"ending{n}"] for n in numbers])
    for letters in ("abcdefghij", LETTERS):
        for start in LETTERED_COLUMNS:
            if has(row, f"{start}{letters[0]}", f"{start}{letters[1]}"):
                found = [letter for letter in letters if not _blank(row.get(f"{start}{letter}"))]
                return [letter.upper() for letter in found], _texts([row[f"{start}{letter}"] for letter in found])
    value, name = _listing(row)
    if isinstance(value, dict) and has(value, "label", "text"):  # {"label": ["A", "B"], "text": ["…", "…"]}
        return [str(mark) for mark in value["label"]], _texts(value["text"])
    if isinstance(value, dict):
        given = {str(mark).strip(): text for mark, text in value.items() if not _blank(text)}
        return _in_order([_mark(one) for one in given], list(given.values()))
    if isinstance(value, str):
        return _listed(value, name)
    if not isinstance(value, list):
        raise ValueError(f"'{name}' is of type {type(value).__name__}, not a list of options")
    if value and all(isinstance(one, dict) and len(one) == 1 and not set(one) & set(TEXTS) for one in value):
        return _in_order(
            [_mark(str(mark).strip()) for one in value for mark in one],
            [text for one in value for text in one.values()],
        )
    if value and all(isinstance(one, dict) for one in value):
        texts = [one.get(first_name(one, TEXTS)) for one in value]
        own = [next((name for name in MARKS if name in one), "option" if "text" in one else "") for one in value]
        marks = [_mark(str(one.get(name, "")).strip()) for one, name in zip(value, own, strict=True)]
        return _in_order(marks if any(marks) else list(LETTERS[: len(marks)]), texts)
    texts = _texts(value)
    return list(LETTERS[: len(texts)]), texts


def _blank(value: Any) -> bool:
    """Whether this is no option: nothing, or white space alone, as in a tenth of CMB's items."""
    return value is None or (isinstance(value, str) and not value.strip())


def _listing(row: Row) -> tuple[Any, str]:
    """The field that holds all options, and its name.

    Raises:
        KeyError: the row has none.
        ValueError: it is a text that only begins like a list.
    """
    name = first_name(row, OPTION_LISTS) or ("answers" if isinstance(row.get("answers"), list) else None)
    if name is None:
        raise KeyError(" or ".join(OPTION_LISTS))
    value = row[name]
    # AfriMed-QA and CSV exports: written as a text
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        value = _literal(value, name)
    return value, name


def _literal(text: str, name: str) -> Any:
    """The list or object that a text is, in JSON or as Python or NumPy prints it."""
    if _ARRAY.fullmatch(text.strip()):
        return [ast.literal_eval(one) for one in re.findall(_QUOTED, text)]
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return read(text)
    raise ValueError(f"'{name}' begins like a list or an object and is none")


def _mark(text: str) -> str:
    """The letter by which an option is called, or its mark as it is."""
    alone = LETTER_ALONE.fullmatch(text)
    return unicodedata.normalize("NFKC", alone[1]).upper() if alone is not None else text


def _in_order(marks: list[str], texts: list[Any]) -> tuple[list[str], list[str]]:
    """The options in the order of their letters, by which their texts may call each other ("both A and C").

    Raises:
        ValueError: two have the same mark, or a text is no good one.
    """
    twice = next((mark for mark in marks if mark and marks.count(mark) > 1), None)
    if twice is not None:
        raise ValueError(f"two options are called {twice[:40]!r}")
    if set(marks) <= set(LETTERS):
        order = sorted(range(len(marks)), key=marks.__getitem__)
        marks, texts = [marks[place] for place in order], [texts[place] for place in order]
    return marks, _texts(texts)


def _texts(values: Any) -> list[str]:
    if isinstance(values, list):
        while values and _blank(values[-1]):  # of a question with fewer options than others
            values = values[:-1]
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError("fewer than two options")
    if len(values) > len(LETTERS):
        raise ValueError(f"more than {len(LETTERS)} options")
    texts = [
        check_text(str(one) if isinstance(one, (int, float)) and not isinstance(one, bool) else one, f"option {number}")
        for number, one in enumerate(values, start=1)
    ]
    named = [LETTERED.match(text) for text in texts]
    if all(match is not None and _mark(match[1]) == letter for match, letter in zip(named, LETTERS, strict=False)):
        return [match[2] for match in named if match is not None]  # every text begins with its own letter
    return texts


def _listed(text: str, name: str) -> tuple[list[str], list[str]]:
    """Options in one text, "A. …" or "A …" on a line each."""
    parts = LISTED.split(check_text(text, name))
    marks = [_mark(first or second) for first, second in zip(parts[1::3], parts[2::3], strict=True)]
    if marks != list(LETTERS[: len(marks)]):
        raise ValueError(f"'{name}' is not a list of options from A on")
    return marks, _texts([part.strip() for part in parts[3::3]])


def why_unread(row: Row) -> str:
    """What keeps the options of a row from being read; empty where nothing does, or where it has no field of options."""
    try:
        options_of(row)
    except KeyError:
        return ""
    except (ValueError, TypeError, AttributeError) as error:
        return str(error) if isinstance(error, ValueError) else "a field is of another type than options have"
    return ""


def options_if_any(row: Row) -> tuple[list[str], list[str]] | None:
    """As ``options_of``; None where the row has no options in any usual form."""
    try:
        return options_of(row)
    except (KeyError, ValueError, TypeError, AttributeError):
        return None


def has_options(row: Row) -> bool:
    """Whether the row has options in any usual form."""
    return options_if_any(row) is not None


def marked_right(row: Row) -> list[int] | None:
    """Places of the options that say themselves that they are right, as ``{"text": …, "is_correct": true}``; None where none speaks."""
    try:
        value, _ = _listing(row)
    except (KeyError, ValueError):
        return None
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    name = first_name(value[0], RIGHT)
    if name is None or not all(isinstance(one.get(name), bool) for one in value):
        return None
    marks = [_mark(str(one.get(first_name(one, MARKS), "")).strip()) for one in value]
    places = range(len(value))
    order = sorted(places, key=marks.__getitem__) if set(marks) <= set(LETTERS) else places
    return [place for place, one in enumerate(order) if value[one][name]]

"""Which options are right, from what a row says of them: letters, numbers, the options' own texts, or a mark for each.

A letter may be another option's text ("A" among blood groups), and a number too, so that a row alone can be read in two ways: how the
right options are named, all rows of a file tell together.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from corpora.adapters.choices import LETTER_ALONE, LETTERED, options_if_any
from corpora.adapters.fields import Row, first_name
from corpora.records import LETTERS

ANSWERS = (
    "answer_idx", "answer_index", "answer_letter", "answerKey", "answer", "Answer", "label", "ra", "correct_answer", "correct_option", "Correct Option",
    "correct_index", "correct", "cop", "target", "gold", "answer_key", "答案", "正确答案", "correctAnswer", "correct_answer_idx", "correct_answer_index",
    "correct_idx", "correct_choice", "gold_index", "gold_idx",
)  # fmt: skip
KEYS = "__keys__"  # under which a row carries what its file tells of all keys


@dataclass(frozen=True)
class Keys:
    """How right options are named: "text", "number", or as each row has it; numbers are counted from ``first``."""

    by: Literal["", "text", "number"] = ""
    first: int = 0


def answer_name(row: Row) -> str | None:
    """The field that names the right options: the first that is not empty."""
    return first_name(row, [one for one in ANSWERS if row.get(one) not in (None, "")])


def keys_of(rows: Iterable[Row], first: int | None = None) -> Keys | None:
    """How the right options are named, as all rows together tell; None where it cannot be told from what numbers are counted.

    Keys that are all texts of options are texts, and keys that are all numbers are numbers. A 0 says that they are counted from 0,
    and the number of options that they are counted from 1; where neither is there, MMLU's form is counted from 0.

    Args:
        rows: of a file.
        first: from what numbers are counted, where it is known.
    """
    total = marked = texted = numbered = 0
    as_mmlu = True  # "choices" and a number as "answer", which its publishers count from 0
    every: set[str] = set()  # what numbers tell: "zero", "last", or "any" that tells neither
    unnamed: set[str] = set()  # the same of numbers that are neither a mark nor a text
    for row in rows:
        name = answer_name(row)
        options = options_if_any(row) if name is not None else None
        if name is None or options is None:
            continue
        marks, texts = options
        folded = {text.casefold() for text in texts}
        value = row[name]
        if isinstance(value, list) and _is_marked(value, len(texts)):
            continue
        for one in value if isinstance(value, list) else [value]:
            text, number = str(one).strip(), _number(one)
            as_mark = text in marks or _letter(text) in marks
            as_text = isinstance(one, str) and text.casefold() in folded
            total, marked, texted = total + 1, marked + as_mark, texted + as_text
            if number is None or not 0 <= number <= len(texts):
                continue
            numbered += 1
            as_mmlu &= name == "answer" and "choices" in row and isinstance(one, int)
            tells = "zero" if number == 0 or "ending0" in row else "last" if number == len(texts) else "any"
            every.add(tells)
            if not as_mark and not as_text:
                unnamed.add(tells)
    by: Literal["", "text", "number"] = ""
    if marked < total and total in (texted, numbered):
        by = "text" if texted == total else "number"
    told = every if by == "number" else unnamed
    if first is None and told == {"any"} and by != "text" and not as_mmlu:
        return None
    return Keys(by, first if first is not None else int("zero" not in told and "last" in told))


def _number(value: Any) -> int | None:
    """A whole number, also one that is written as a text or, as in exports of tables with gaps, with a point and a zero."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    whole = re.fullmatch(r"([0-9]{1,6})(?:\.0)?", value.strip()) if isinstance(value, str) else None
    return int(whole[1]) if whole is not None else None


def _letter(text: str) -> str:
    """The letter that is all of a text, as "(c)" or "Option C"; else empty."""
    alone = LETTER_ALONE.fullmatch(text)
    return unicodedata.normalize("NFKC", alone[1]).upper() if alone is not None else ""


def _is_marked(values: list[Any], count: int) -> bool:
    """Whether a list says of each of ``count`` options whether it is right: ``[0, 0, 1, 0]``."""
    return len(values) == count and all(isinstance(one, int) and one in (0, 1) for one in values)


def places(value: Any, name: str, marks: Sequence[str], texts: Sequence[str], keys: Keys) -> list[int]:
    """Places of the right options, 0-based and in their order.

    Raises:
        ValueError: the value names none of the options, or one that cannot be told from another.
    """
    if isinstance(value, bool) or value is None:
        raise ValueError(f"'{name}' is {value}, not an answer")
    if isinstance(value, list):
        if _is_marked(value, len(texts)):
            if not any(value):
                raise ValueError(f"'{name}' marks none of the options as right")
            return [place for place, one in enumerate(value) if one]
        return sorted({place for one in value for place in places(one, name, marks, texts, keys)})
    number = _number(value)
    if number is not None and (keys.by == "number" or not isinstance(value, str)):
        own = keys.by != "number" and all(mark.isdecimal() for mark in marks) and str(number) in marks
        return [marks.index(str(number))] if own else [_counted(number, name, marks, texts, keys.first)]
    if not isinstance(value, str):
        raise ValueError(f"'{name}' is of type {type(value).__name__}, not an answer")
    text = value.strip()
    found = None if keys.by == "text" else _marked(text, marks)
    found = _texted(text, name, texts) if found is None else found
    found = _lettered(text, marks, texts) if found is None else found
    if found is not None:
        return found
    if number is not None:
        return [_counted(number, name, marks, texts, keys.first)]
    raise ValueError(f"'{name}' is {text[:40]!r}, which is none of the options")


def _counted(number: int, name: str, marks: Sequence[str], texts: Sequence[str], first: int) -> int:
    if not first <= number < first + len(texts):
        raise ValueError(f"'{name}' is {number}, but there are {len(texts)} options")
    if set(marks) <= set(LETTERS) and list(marks) != list(LETTERS[: len(marks)]):
        raise ValueError(f"'{name}' is the number {number}, and of the options {', '.join(marks)} one between is empty")
    return number - first


def _marked(text: str, marks: Sequence[str]) -> list[int] | None:
    return [marks.index(text)] if text in marks else None


def _texted(text: str, name: str, texts: Sequence[str]) -> list[int] | None:
    """The option whose text this is, in the same case if there is one."""
    for known, wanted in ((list(texts), text), ([one.casefold() for one in texts], text.casefold())):
        if known.count(wanted) > 1:
            raise ValueError(f"'{name}' is {text[:40]!r}, which is the text of {known.count(wanted)} options")
        if wanted in known:
            return [known.index(wanted)]
    return None


def _lettered(text: str, marks: Sequence[str], texts: Sequence[str]) -> list[int] | None:
    """What one or several letters name, or a letter with the option's text beside it."""
    one_form = unicodedata.normalize("NFKC", text)
    named = [part.strip() for part in one_form.split(",")]
    if len(named) > 1 and all(part in marks for part in named):
        return sorted({marks.index(part) for part in named})
    letters = re.sub(r"[\s,，、;；.]", "", one_form)
    # Small letters are a word ("bad") unless they are in their order.
    if letters and (letters.isupper() or sorted(set(letters)) == list(letters)):
        letters = letters.upper()
        if all(letter in marks for letter in letters):
            return sorted({marks.index(letter) for letter in letters})
        # MedConceptsQA numbers its columns, and calls the right one by its letter.
        if len(letters) == 1 and letters in LETTERS[: len(texts)] and all(mark.isdecimal() for mark in marks):
            return [LETTERS.index(letters)]
    alone, lettered = _letter(text), LETTERED.fullmatch(text)
    if alone and alone in marks:
        return [marks.index(alone)]
    if lettered is not None and _letter(lettered[1]) in marks:
        place = marks.index(_letter(lettered[1]))
        return [place] if texts[place].casefold() == lettered[2].casefold() else None
    return None


def check_agreement(row: Row, name: str, right: list[int], marks: Sequence[str], texts: Sequence[str]) -> None:
    """Raises ValueError when ``answer`` is letter or text of another option than the one that ``name`` calls right, as in MedQA's rows."""
    said = row.get("answer")
    if name == "answer" or not isinstance(said, str) or not said.strip():
        return
    said = said.strip()
    named = {place for place, text in enumerate(texts) if text.casefold() == said.casefold()}
    if _letter(said) in marks:
        named.add(marks.index(_letter(said)))
    if named and not named & set(right):
        raise ValueError(f"'{name}' and 'answer' name different options")

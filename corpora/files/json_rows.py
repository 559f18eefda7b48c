"""Rows of JSON and of JSON Lines, also of files that are broken somewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import IO, Any

from corpora.errors import DataError
from corpora.files.row import LONGEST_LINE, RawRow, Row

OF_A_ROW = ("options", "option", "choices", "answers", "answer_options", "endings", "选项")  # lists that are no rows


def has_rows_by_line(stream: IO[bytes]) -> bool:
    """Whether a file that begins with an object is JSON Lines: its first line is one, or broken with another object after it."""
    line = stream.readline(LONGEST_LINE + 1)
    rest = stream.read(2**16).lstrip()
    stream.seek(0)
    return bool(rest) and (rest.startswith(b"{") or _is_object(line))


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _loads(text: str) -> Any:
    """A JSON value.

    Raises:
        ValueError: it is none, or nested too deep. NaN and infinity, which JSON has not, are refused.
    """

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)
    except RecursionError as error:
        raise ValueError("nested too deep") from error


def json_lines(stream: IO[bytes], encoding: str) -> Iterator[RawRow]:
    """A row for each line that is not empty."""
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        place = f"row {number}"
        if len(line) > LONGEST_LINE:
            while line and not line.endswith(b"\n"):
                line = stream.readline(LONGEST_LINE)
            yield RawRow(place, {}, f"the line is longer than {LONGEST_LINE // 2**20} MiB")
            continue
        try:
            text = line.decode(encoding).strip("\ufeff \t\r\n")
        except UnicodeDecodeError:
            yield RawRow(place, {}, "not valid UTF-8")
            continue
        if text:
            yield _json_row(text, place)


def _json_row(text: str, place: str) -> RawRow:
    try:
        return _as_row(_loads(text), place)
    except ValueError:
        return RawRow(place, {}, "not valid JSON")


def _as_row(value: Any, place: str) -> RawRow:
    if isinstance(value, dict):
        return RawRow(place, value)
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        return RawRow(place, {"messages": value})  # a bare list of turns
    return RawRow(place, {}, f"not an object but of type {type(value).__name__}")


def json_rows(stream: IO[bytes], encoding: str, name: str, first: str) -> Iterator[RawRow]:
    """The rows of one value, which begins with ``first``: a list, or an object that is a row or holds rows.

    Raises:
        DataError: it is an object, and not valid JSON.
    """
    text = stream.read().decode(encoding, "replace").lstrip("\ufeff")
    try:
        whole = _loads(text)
    except ValueError as error:
        if first == "[":
            yield from _salvaged(text)
            return
        raise DataError(f"{name}: not valid JSON: {error}") from error
    if isinstance(whole, dict):
        whole = _rows_of_object(whole)
    for number, value in enumerate(whole, start=1):
        yield _as_row(value, f"row {number}")


def _rows_of_object(whole: Row) -> list[Any]:
    """An object of rows by id as a list with the id in ``__key__``; of an object that holds one list of rows, that list."""
    if len(whole) > 1 and all(isinstance(value, dict) for value in whole.values()):
        return [{"__key__": key, **value} for key, value in whole.items()]
    # MedS-Ins: a task and its rows
    if isinstance(whole.get("Instances"), list) and isinstance(whole.get("Definition"), list):
        return [_instance(whole["Definition"], one) for one in whole["Instances"]]
    # The options of an exam question are parts of one row.
    named = {name: value for name, value in whole.items() if name.lower() not in OF_A_ROW}
    lists = [value for value in named.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    if len(lists) == 1 and len(lists[0]) > 1 and not _is_turn(lists[0][0]):
        return list(lists[0])
    return [whole]


def _instance(definition: list[Any], value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    output = value.get("output")
    return {
        "instruction": definition[0] if definition else "",
        **value,
        "output": output[0] if isinstance(output, list) and output else output,
    }


def _is_turn(value: Row) -> bool:
    return bool({"role", "from", "speaker"} & value.keys()) or {"human", "assistant"} <= value.keys()


def _salvaged(text: str) -> Iterator[RawRow]:
    """Rows of a JSON list that is broken somewhere: those before the break, and those after it that can be told apart."""
    decoder = json.JSONDecoder()
    place, number = text.index("[") + 1, 0
    while True:
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        if place < len(text) and text[place] == "]":
            return
        number += 1
        if place >= len(text):
            yield RawRow(f"row {number}", {}, "the list has no end: the file is cut off")
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):  # no JSON, a number of more digits than Python reads, or nested too deep
            yield RawRow(f"row {number}", {}, "not valid JSON")
            following = re.compile(r"\}\s*,\s*(?=\{)").search(text, place + 1)
            if following is None:
                return
            place = following.end()
            continue
        yield _as_row(value, f"row {number}")

"""A user's own file of rows: which of its fields is which, by ``--map`` or by the names that are known."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corpora.adapters.choices import OPTION_LISTS, has_options, why_unread
from corpora.adapters.items import QUESTIONS
from corpora.adapters.keys import ANSWERS
from corpora.errors import DataError
from corpora.files.row import RawRow
from evals.exam.tasks import Task

FIRST = "first"  # from what the numbers of right options are counted, 0 or 1
MAPPED = ("question", "options", "answer", "context", "id", "subject", FIRST)


def parse_mapping(given: list[str]) -> dict[str, str]:
    """``["question=stem", "options=a,b,c"]`` as a mapping.

    Raises:
        DataError: a part is not of this form, or names a field that there is not.
    """
    found: dict[str, str] = {}
    for one in given:
        ours, _, theirs = one.partition("=")
        if ours not in MAPPED or not theirs:
            raise DataError(
                f"--map {one}: not of the form OURS=THEIRS, where OURS is one of {', '.join(MAPPED)}; "
                "several columns of options are joined by commas: --map options=a,b,c,d"
            )
        if ours == FIRST and theirs not in ("0", "1"):
            raise DataError(f"--map {one}: numbers of right options are counted from 0 or from 1")
        found[ours] = theirs
    return found


def mapped(row: dict[str, Any], mapping: Mapping[str, str], task: Task, path: Path) -> dict[str, Any]:
    """The row with the fields that ``mapping`` names under our names, and the options of a task whose items all have the same.

    A question that holds its stem and its choices, as in ARC's files, is taken apart, and so is a row that holds it all in one object, as a
    mirror of MedQA has it.
    """
    for part in row.values():
        if isinstance(part, dict) and not set(QUESTIONS) & set(row) and set(QUESTIONS) & set(part):
            row = {**row, **part}
            break
    inner = row.get("question")
    if isinstance(inner, dict) and "stem" in inner and "question" not in mapping:
        row = {
            **row,
            **{name: inner[name] for name in ("choices", "options") if name in inner},
            "question": inner["stem"],
        }

    def value(name: str) -> Any:
        if name in row:
            return row[name]
        found: Any = row
        for part in name.split("."):
            if not isinstance(found, dict) or part not in found:
                raise DataError(
                    f"{path}: --map names the field '{name}', which a row does not have; its fields are: {names_of(row)}"
                )
            found = found[part]
        return found

    replaced = {
        name for ours, names in (("question", QUESTIONS), ("answer", ANSWERS)) if ours in mapping for name in names
    }
    plain = {*QUESTIONS, *ANSWERS, "id", "subject", "context"}
    found = {
        name: content
        for name, content in row.items()
        if name not in replaced and ("options" not in mapping or name in plain)
    }
    for ours, theirs in mapping.items():
        if ours == FIRST:
            continue
        several = ours == "options" and "," in theirs
        found[ours] = [value(name.strip()) for name in theirs.split(",")] if several else value(theirs)
    if task.choices and not has_options(found):
        found["options"] = list(task.choices)
    return found


def mapped_row(row: RawRow, mapping: Mapping[str, str], task: Task, path: Path) -> RawRow:
    """A row of the user's own file ``path`` with its fields under our names; one that could not be read stays as it is."""
    return row if row.fault else RawRow(row.place, mapped(row.value, mapping, task, path))


def names_of(row: Mapping[str, Any]) -> str:
    """The fields of a row, for people."""
    return ", ".join(str(name) for name in row if name not in ("__row__", "__key__")) or "none"


def unfit(path: Path, rows: list[dict[str, Any]], task: Task) -> DataError:
    """Which fields a file lacks, which it has, and how to map them."""
    if not rows:
        return DataError(f"{path}: no row of this file can be read")
    row = rows[0]
    missing, maps = [], []
    names = {name: row[name] for name in row if not (name == "options" and row[name] == task.choices)}
    if not any(name in row for name in QUESTIONS):
        missing.append("a question")
        maps.append("--map question=FIELD")
    if not task.choices and not has_options(row):
        unread = next((name for name in OPTION_LISTS if name in row), None)
        missing.append("the options" + (f" ('{unread}': {why_unread(row)})" if unread else ""))
        maps.append("--map options=FIELD (one list or object) or --map options=FIELD,FIELD,… (a column each)")
    if not any(name in row for name in ANSWERS):
        missing.append("the answer")
        maps.append(
            "--map answer=FIELD (a letter, a number or the option's text), or --answers FILE where they are a file of their own"
        )
    known = (
        f"Known names: question as {', '.join(QUESTIONS)}; options as {', '.join(OPTION_LISTS)} or columns A…, option_a…, opa…, "
        f"ending0…; answer as {', '.join(ANSWERS)}"
    )
    lacks = (
        f"no field is known as {', '.join(missing)}"
        if missing
        else "its fields have known names, but not their contents"
    )
    return DataError(
        f"{path}: the fields fit no known form: {lacks}. The file's fields are: {names_of(names)}. "
        f"Say which is which: {' '.join(maps) or '--map question=FIELD --map options=FIELD --map answer=FIELD'}. {known}"
    )

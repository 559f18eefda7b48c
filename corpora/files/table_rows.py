"""Rows of tables: CSV with any of its marks, and TSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import IO

from corpora.files.row import LONGEST_LINE, RawRow


def is_table(head: str) -> bool:
    """Whether the first lines have the same number of tabs, or of commas, more than none."""
    lines = [line for line in head.splitlines()[:-1] if line.strip()][:5]
    return len(lines) > 1 and any(
        counts[0] > 0 and len(set(counts)) == 1 for counts in ([line.count(mark) for line in lines] for mark in "\t,")
    )


def csv_rows(stream: IO[bytes], encoding: str) -> Iterator[RawRow]:
    """The rows below the first line, or from it on where it names no columns."""
    csv.field_size_limit(LONGEST_LINE)
    text = io.TextIOWrapper(stream, encoding=encoding, errors="surrogateescape", newline="")
    first = text.readline()
    mark = max("\t,;", key=first.count)
    text.seek(0)
    reader = csv.reader(text, delimiter=mark, quoting=csv.QUOTE_NONE if mark == "\t" else csv.QUOTE_MINIMAL)
    header: list[str] | None = None
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            yield RawRow(f"row {number}", {}, f"not valid CSV ({error})")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if header is None:
            header = _header(cells)
            if header != [cell.strip() for cell in cells]:  # there is no header: this is a row
                yield RawRow(f"row {number}", dict(zip(header, cells, strict=False)))
            continue
        if len(cells) != len(header):
            yield RawRow(f"row {number}", {}, f"{len(cells)} cells where the first line has {len(header)}")
        else:
            yield RawRow(f"row {number}", dict(zip(header, cells, strict=True)))
    text.detach()


def _header(cells: list[str]) -> list[str]:
    """The names of the columns: those of the first line, or of MMLU's or webMedQA's files, which have none."""
    if len(cells) == 6 and cells[5].strip() in ("A", "B", "C", "D"):
        return ["question", "A", "B", "C", "D", "answer"]
    if len(cells) == 5 and cells[1].strip() in ("0", "1"):
        return ["department", "label", "question_id", "question", "answer"]
    return [cell.strip() for cell in cells]

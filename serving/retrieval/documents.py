"""A user's documents as passages: text and Markdown by paragraphs, tables by rows, PDFs by pages."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from corpora.errors import DataError
from serving.retrieval.passages import Passage

PASSAGE_CHARACTERS = 1200  # about 300 tokens: a few of them fit beside a question in a small model's context
SUFFIXES = (".txt", ".md", ".pdf", ".csv", ".jsonl")


def _decode(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}); take it out of the folder, or mend its rights"
        ) from error


def _slices(text: str, name: str, markdown: bool, page: int | None = None) -> Iterator[Passage]:
    """Paragraphs, joined up to ``PASSAGE_CHARACTERS``; a heading begins a new passage, and a longer paragraph is cut at a space."""
    heading: str | None = None
    start: int | None = None
    end = 0

    line, counted = (
        1,
        0,
    )  # lines are counted on from the passage before: from the top each time, a book would take minutes

    def made(first: int, last: int) -> Passage:
        nonlocal line, counted
        line, counted = line + text.count("\n", counted, first), first
        shown = None if page is not None else line
        return Passage(text=text[first:last], file=name, heading=heading, line=shown, page=page, start=first, end=last)

    for block in re.finditer(r"\S(?:[^\n]|\n(?!\s*\n))*", text):
        title = re.match(r"#{1,6}\s+([^\n]+)", block.group()) if markdown else None
        if start is not None and (title or block.end() - start > PASSAGE_CHARACTERS):
            yield made(start, end)
            start = None
        if title:
            heading = title.group(1).strip().rstrip("#").strip()
        first, last = block.start(), block.start() + len(block.group().rstrip())
        while last - first > PASSAGE_CHARACTERS:
            cut = max(text.rfind(mark, first, first + PASSAGE_CHARACTERS) for mark in (" ", "\n", "。")) + 1
            cut = cut if cut > first else first + PASSAGE_CHARACTERS
            yield made(first, cut)
            first = cut
        if start is None:
            start = first
        end = last
    if start is not None:
        yield made(start, end)


def _rows(path: Path, name: str) -> Iterator[Passage]:
    """One passage a row: the CSV row's or JSON line's text as it stands in the file."""
    text = _decode(path)
    lines = list(io.StringIO(text, newline=""))  # as csv counts them; splitlines() would cut a text at U+2028 as well
    offsets = [0]
    for line in lines:
        offsets.append(offsets[-1] + len(line))
    if path.suffix.lower() == ".csv":
        csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a whole file may be one cell
        reader = csv.reader(lines)
        header = next(reader, [])
        before = reader.line_num
        for row in reader:
            first, last = offsets[before], offsets[reader.line_num]
            number = before + 1
            before = reader.line_num
            piece = text[first:last].rstrip("\r\n")
            if piece.strip():
                heading = next((cell for cell in row if cell), None)
                shown = "; ".join(f"{key}: {cell}" for key, cell in zip(header, row, strict=False))
                yield Passage(
                    text=shown or piece,
                    file=name,
                    heading=heading,
                    line=number,
                    start=first,
                    end=first + len(piece),
                )
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{path}, line {number}: not JSON ({error}); a .jsonl file has one JSON value a line"
            ) from error
        piece = line.rstrip("\r\n")
        yield Passage(
            text=piece, file=name, line=number, start=offsets[number - 1], end=offsets[number - 1] + len(piece)
        )


def _pages(path: Path, name: str) -> Iterator[Passage]:
    try:
        import pypdf  # type: ignore[import-not-found]
    except ImportError as error:
        raise DataError(
            f"{path}: reading a PDF needs pypdf; run `pip install pypdf`, or take the PDFs out of the folder"
        ) from error
    try:
        pages = [page.extract_text() for page in pypdf.PdfReader(path).pages]
    except Exception as error:  # pypdf raises many kinds on a broken file
        raise DataError(
            f"{path}: not a PDF that can be read ({error}); repair it or take it out of the folder"
        ) from error
    for number, text in enumerate(pages, start=1):
        yield from _slices(text, name, markdown=False, page=number)


def read_documents(folder: Path) -> list[Passage]:
    """The passages of every document below ``folder`` (or of the one file), in the order of their paths.

    Raises:
        DataError: nothing there, or a file that cannot be read. The message names the file and the remedy.
    """
    if not folder.exists():
        raise DataError(f"{folder}: no such file or folder")
    root = folder if folder.is_dir() else folder.parent
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
    passages: list[Passage] = []
    for path in paths:
        name, suffix = path.relative_to(root).as_posix(), path.suffix.lower()
        if suffix not in SUFFIXES:
            continue
        if suffix == ".pdf":
            passages += _pages(path, name)
        elif suffix in (".csv", ".jsonl"):
            passages += _rows(path, name)
        else:
            passages += _slices(_decode(path), name, markdown=suffix == ".md")
    if not passages:
        raise DataError(f"{folder}: no text found here; documents end in {', '.join(SUFFIXES)}")
    return passages

"""Passages: pieces of the bundled facts and of a user's documents that say where they stand.

A passage of a text file is a slice of it: ``text == whole[start:end]``. A passage of a PDF is a slice of its page. A passage of the
bundled facts is one entry in words, and its span is the entry in its YAML file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from pydantic import BaseModel, ConfigDict

from corpora.bundled.facts import join, range_text
from corpora.bundled.knowledge import KNOWLEDGE_DIR, Source, load_knowledge
from corpora.errors import DataError

PASSAGE_CHARACTERS = 1200  # about 300 tokens: a few of them fit beside a question in a small model's context
SUFFIXES = (".txt", ".md", ".pdf", ".csv", ".jsonl")


class Passage(BaseModel):
    """A piece of a document, and the place where a reader finds it."""

    model_config = ConfigDict(frozen=True)

    text: str
    file: str
    heading: str | None = None
    line: int | None = None  # first line of the passage, from 1
    page: int | None = None  # of a PDF, from 1
    start: int  # first character in the file's text, or in the page's
    end: int  # one past the last
    sources: list[str] = []  # what the passage itself cites

    def place(self) -> str:
        """The place in words: ``guide.md, "Dose limits", line 12``."""
        parts = [self.file]
        if self.heading:
            parts.append(f'"{self.heading}"')
        parts.append(f"page {self.page}" if self.page is not None else f"line {self.line}")
        return ", ".join(parts)

    def document(self) -> Document:
        """As LangChain's retrievers return it."""
        return Document(page_content=self.text, metadata=self.model_dump(exclude={"text"}))

    @classmethod
    def from_document(cls, document: Document) -> Passage:
        """From a document of ``document()``, or of another retriever as far as its metadata go."""
        known = {key: value for key, value in document.metadata.items() if key in cls.model_fields and key != "text"}
        text = document.page_content
        filled: dict[str, Any] = {
            "file": str(document.metadata.get("source", "document")),
            "start": 0,
            "end": len(text),
            **known,
        }
        return cls(text=text, **filled)


def citation(source: Source) -> str:
    """A source of the bundled facts in one line."""
    year = f", {source.year}" if source.year else ""
    return f"{source.body}: {source.title}{year}{f'. {source.url}' if source.url else ''}"


def _entry_text(kind: str, entry: Any) -> str:
    name = entry.name
    also = f" (also {', '.join(entry.aliases)})" if entry.aliases else ""
    if kind == "conditions":
        said = [
            f"{name}{also} is {entry.definition}.",
            f"Cause: {entry.cause}.",
            f"Symptoms: {join(entry.symptoms)}.",
            f"Seek urgent help for: {join(entry.red_flags)}.",
            f"Tests: {join(entry.tests)}.",
            f"First treatment: {entry.treatment}.",
            f"To avoid: {entry.avoid}.",
        ]
    elif kind == "medicines":
        pairs = "; ".join(f"with {one.agent}: {one.effect}" for one in entry.interactions)
        said = [
            f"{name}{also} is a medicine of the class {entry.drug_class}.",
            f"Used for: {entry.use}.",
            f"Mechanism: {entry.mechanism}.",
            f"Serious effects: {join(entry.serious_effects)}.",
            f"Not to be used in: {join(entry.contraindications)}.",
            f"Interactions: {pairs}.",
        ]
    elif kind == "laboratory_tests":
        said = [
            f"{name}{also} measures {entry.measures} ({entry.specimen}).",
            f"Reference range for {entry.applies_to}: {range_text(entry.low, entry.high, entry.unit)}.",
            *([f"A high result suggests {entry.high_suggests}."] if entry.high_suggests else []),
            *([f"A low result suggests {entry.low_suggests}."] if entry.low_suggests else []),
        ]
    else:
        said = [
            f"{name}{also}, an emergency.",
            f"Signs: {join(entry.signs)}.",
            entry.say_first,
            *entry.do,
            *entry.do_not,
        ]
    return " ".join(said)


@lru_cache(maxsize=1)
def bundled_passages() -> tuple[Passage, ...]:
    """One passage an entry of the bundled facts."""
    knowledge = load_knowledge()
    places: dict[tuple[str, str], tuple[str, int, int, int]] = {}
    for path in sorted(KNOWLEDGE_DIR.rglob("*.yaml")):
        whole = path.read_text(encoding="utf-8")
        heads = [(mark.start(), mark.group(1)) for mark in re.finditer(r"^(\w+):$", whole, re.MULTILINE)]
        marks = list(re.finditer(r"^ *- id: (\S+)$", whole, re.MULTILINE))
        for mark, after in zip(marks, [*marks[1:], None], strict=True):
            kind = next(name for at, name in reversed(heads) if at < mark.start())
            end = min([at for at, _ in heads if at > mark.start()] + [after.start() if after else len(whole)])
            file = f"knowledge/{path.relative_to(KNOWLEDGE_DIR).as_posix()}"
            places[kind, mark.group(1)] = (file, whole.count("\n", 0, mark.start()) + 1, mark.start(), end)
    found = []
    for kind in ("conditions", "medicines", "laboratory_tests", "emergencies"):
        for entry in getattr(knowledge, kind):
            file, line, start, end = places[kind, entry.id]
            sources = [citation(knowledge.sources[key]) for key in entry.sources]
            found.append(
                Passage(
                    text=_entry_text(kind, entry),
                    file=file,
                    heading=entry.name,
                    line=line,
                    start=start,
                    end=end,
                    sources=sources,
                )
            )
    return tuple(found)


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

    def made(first: int, last: int) -> Passage:
        line = None if page is not None else text.count("\n", 0, first) + 1
        return Passage(text=text[first:last], file=name, heading=heading, line=line, page=page, start=first, end=last)

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

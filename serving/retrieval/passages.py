"""Passages: pieces of the bundled facts and of a user's documents that say where they stand.

A passage of a text file is a slice of it: ``text == whole[start:end]``. A passage of a PDF is a slice of its page. A passage of the
bundled facts is one entry in words, and its span is the entry in its YAML file.
"""

from __future__ import annotations

from typing import Any

from langchain_core.documents import Document
from pydantic import BaseModel, ConfigDict, ValidationError

from corpora.bundled.knowledge import Source


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
        told = {key: value for key, value in document.metadata.items() if key in cls.model_fields and key != "text"}
        if isinstance(told.get("sources"), str):  # as a database keeps them that has no lists
            told["sources"] = told["sources"].splitlines()
        text = document.page_content
        least: dict[str, Any] = {"file": str(document.metadata.get("source", "document")), "start": 0, "end": len(text)}
        try:
            return cls(text=text, **{**least, **told})
        except ValidationError as error:  # another's idea of a page or a line
            odd = {one["loc"][0] for one in error.errors()}
            return cls(text=text, **{**least, **{key: value for key, value in told.items() if key not in odd}})


def citation(source: Source) -> str:
    """A source of the bundled facts in one line."""
    year = f", {source.year}" if source.year else ""
    return f"{source.body}: {source.title}{year}{f'. {source.url}' if source.url else ''}"

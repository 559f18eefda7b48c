"""Rows of the XML of MedQuAD, LiveQA, CNXML, PubMed and JATS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.etree import ElementTree

from corpora.errors import DataError
from corpora.files.row import RawRow


def _local(tag: str) -> str:
    return tag.rsplit("}", 1)[-1]


def _text_of(element: ElementTree.Element | None) -> str:
    """All text inside an element, white space joined."""
    return " ".join("".join(element.itertext()).split()) if element is not None else ""


def _find(element: ElementTree.Element, *names: str) -> ElementTree.Element | None:
    """The first descendant of one of these names, whatever their namespace."""
    return next((one for one in element.iter() if _local(one.tag) in names), None)


PARAGRAPHS = ("para", "p", "item", "title", "caption", "note", "entry")


def xml_rows(stream: IO[bytes], name: str) -> Iterator[RawRow]:
    """The rows of a file, told by its root.

    Raises:
        DataError: it is not valid, or of none of these kinds.
    """
    try:
        root = ElementTree.parse(stream).getroot()
    except ElementTree.ParseError as error:
        raise DataError(f"{name}: not valid XML: {error}") from error
    kind = _local(root.tag)
    if kind == "Document" and _find(root, "QAPairs") is not None:
        yield from _medquad_rows(root)
    elif kind == "NLM-QUESTIONS" or kind.startswith("LiveQA2017-Medical-Test"):  # the training sets, and the test set
        yield from _liveqa_rows(root)
    elif kind == "PubmedArticleSet":
        yield from _pubmed_rows(root)
    elif kind == "document" and "cnxml" in root.tag:
        content = _find(root, "content")
        yield RawRow(
            "row 1", {"id": Path(name).stem, "title": _text_of(_find(root, "title")), "text": _paragraphs(content)}
        )
    elif kind == "article":  # JATS
        pieces = [_paragraphs(_find(root, "abstract")), _paragraphs(_find(root, "body"))]
        yield RawRow(
            "row 1",
            {
                "id": Path(name).stem,
                "title": _text_of(_find(root, "article-title")),
                "text": "\n\n".join(piece for piece in pieces if piece),
                "licence": _text_of(_find(root, "license")),
            },
        )
    else:
        raise DataError(
            f"{name}: XML with the root <{kind}>; known here are MedQuAD's <Document>, LiveQA's <NLM-QUESTIONS>, CNXML's <document>, "
            "PubMed's <PubmedArticleSet> and JATS' <article>"
        )


def _paragraphs(element: ElementTree.Element | None) -> str:
    """The text of an element's paragraphs, titles and list items, a blank line between them."""
    if element is None:
        return ""
    found: list[str] = []

    def walk(one: ElementTree.Element) -> None:
        for child in one:
            if _local(child.tag) in PARAGRAPHS and not any(
                _local(inner.tag) in PARAGRAPHS for inner in list(child.iter())[1:]
            ):
                text = _text_of(child)
                if text:
                    found.append(text)
            else:
                walk(child)

    walk(element)
    return "\n\n".join(found) or _text_of(element)


def _medquad_rows(root: ElementTree.Element) -> Iterator[RawRow]:
    focus = _text_of(_find(root, "Focus"))
    number = 0
    for pair in root.iter():
        if _local(pair.tag) != "QAPair":
            continue
        number += 1
        question, answer = _find(pair, "Question"), _find(pair, "Answer")
        yield RawRow(
            f"row {number}",
            {
                "id": question.get("qid", f"{root.get('id', '')}-{number}") if question is not None else str(number),
                "source": root.get("source", ""),
                "url": root.get("url", ""),
                "focus": focus,
                "qtype": question.get("qtype", "") if question is not None else "",
                "question": _text_of(question),
                "answer": (answer.text or "").strip() if answer is not None else "",
            },
        )


def _liveqa_rows(root: ElementTree.Element) -> Iterator[RawRow]:
    """A row for each answer of each sub-question; the asker's message is the question."""
    number = 0
    for asked in root.iter("NLM-QUESTION"):
        message = _text_of(_find(asked, "MESSAGE", "Message")) or _text_of(_find(asked, "SUBJECT", "Subject"))
        for part in (one for one in asked.iter() if _local(one.tag) in ("ANSWER", "ReferenceAnswer")):
            answer = _find(part, "Answer", "ANSWER") if _local(part.tag) == "ReferenceAnswer" else part
            if answer is not part and answer is not None and _local(answer.tag) == "ANSWER":
                continue  # it comes itself
            number += 1
            yield RawRow(
                f"row {number}",
                {
                    "id": part.get("answerid") or part.get("aid") or str(number),
                    "focus": _text_of(_find(asked, "FOCUS", "Q-Focus")),
                    "question": message,
                    "answer": (answer.text or "").strip() if answer is not None else "",
                },
            )


def _pubmed_rows(root: ElementTree.Element) -> Iterator[RawRow]:
    for number, article in enumerate(root.iter("PubmedArticle"), start=1):
        abstract = " ".join(_text_of(one) for one in article.iter("AbstractText"))
        yield RawRow(
            f"row {number}",
            {
                "pmid": _text_of(article.find(".//PMID")),
                "title": _text_of(article.find(".//ArticleTitle")),
                "abstract": abstract,
            },
        )

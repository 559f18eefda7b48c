"""Running text: published row -> Document."""

from __future__ import annotations

import re

from corpora.adapters.fields import LONGEST_DOCUMENT, Row, field, first_name, identifier, label, optional
from corpora.records import Document

CHINESE = re.compile("[\u4e00-\u9fff]")
TEXT_NAMES = ("text", "contents", "content", "clean_text", "raw_content", "raw_text", "abstract", "body", "article")


def is_text(row: Row) -> bool:
    """Whether the row holds a running text."""
    name = first_name(row, TEXT_NAMES)
    return name is not None and isinstance(row[name], str)


def text(row: Row, dataset: str) -> Document:
    """``{"text", "title"?, "url"?, "source"?, "licence"?}``, or the same under the names that PubMed, MedRAG, GAP-Replay and RedPajama use.

    MedRAG's ``contents`` is the title and the text together, which is what is meant to be read.
    """
    meta = row["meta"] if isinstance(row.get("meta"), dict) else {}
    content = field(row, *TEXT_NAMES, longest=LONGEST_DOCUMENT)
    return Document(
        id=identifier(row, dataset),
        text=content,
        title=label(row, "title"),
        source=label(row, "source", "url") or label(meta, "url", "source") or dataset,
        licence=label(row, "licence", "license") or "unknown",
        language=label(row, "language", "lang")[:8] or script(content),
    )


def script(content: str) -> str:
    """Language "zh" where a fifth of the first characters or more are Chinese, else "en": a guess for rows that do not say."""
    start = content[:2000]
    return "zh" if len(CHINESE.findall(start)) >= max(1, len(start)) / 5 else "en"


def is_medline(row: Row) -> bool:
    """Whether the row is a citation of the PubMed baseline as the hub has it."""
    return isinstance(row.get("MedlineCitation"), dict)


def medline(row: Row, dataset: str) -> Document:
    """``MedlineCitation.Article`` with ``ArticleTitle`` and ``Abstract.AbstractText``; a citation without an abstract is refused."""
    citation = row["MedlineCitation"]
    article = citation.get("Article")
    abstract = article.get("Abstract") if isinstance(article, dict) else None
    if not isinstance(abstract, dict):
        raise ValueError("the citation has no abstract")
    return Document(
        id=f"{dataset}/{label(citation, 'PMID')}",
        text=field(abstract, "AbstractText", longest=LONGEST_DOCUMENT),
        title=label(article, "ArticleTitle"),
        source=f"https://pubmed.ncbi.nlm.nih.gov/{label(citation, 'PMID')}",
        language=label(article, "Language")[:8] or "en",
    )


def medquad_document(row: Row, dataset: str) -> Document:
    """MedQuAD's answer as running text under its question's focus."""
    focus, answer = optional(row, "focus"), field(row, "answer")
    return Document(
        id=identifier(row, dataset),
        text=f"{focus}. {answer}" if focus else answer,
        title=focus,
        source=optional(row, "url") or dataset,
        licence="CC BY 4.0",
    )

"""Published row -> record: one short function for each published format.

Every function takes the row as published and the dataset's name, and returns a record. A row that lacks a field
raises ``KeyError`` with the field's name, or ``ValueError`` with the reason; the caller adds the file and the row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from corpora.records import Dialogue, Document, ExamItem, Message, Preference, Record

Row = dict[str, Any]


def text_document(row: Row, dataset: str) -> Document:
    """``{"id", "title", "text", "licence", "source"}``: running text with its licence."""
    return Document(
        id=f"{dataset}/{row['id']}",
        text=row["text"],
        title=row.get("title", ""),
        source=row.get("source", dataset),
        licence=row.get("licence", "unknown"),
    )


def medquad_dialogue(row: Row, dataset: str) -> Dialogue:
    """MedQuAD question and answer."""
    return Dialogue(
        id=f"{dataset}/{row['id']}",
        messages=[
            Message(role="user", content=row["question"].strip()),
            Message(role="assistant", content=row["answer"].strip()),
        ],
        source=row.get("url", dataset),
        meta={"focus": row.get("focus", ""), "qtype": row.get("qtype", "")},
    )


def medquad_document(row: Row, dataset: str) -> Document:
    """MedQuAD's answer as running text under its question's focus."""
    return Document(
        id=f"{dataset}/{row['id']}",
        text=f"{row['focus']}. {row['answer'].strip()}",
        title=row["focus"],
        source=row.get("url", dataset),
        licence="CC BY 4.0",
    )


def medmcqa_item(row: Row, dataset: str) -> ExamItem:
    """MedMCQA: ``opa`` to ``opd`` and the 0-based ``cop``."""
    return ExamItem(
        id=f"{dataset}/{row.get('id', row['question'][:60])}",
        question=row["question"].strip(),
        options=[str(row[key]).strip() for key in ("opa", "opb", "opc", "opd")],
        answer=int(row["cop"]),
        source=dataset,
        meta={"options_heading": "Choices:"},
    )


def pubmedqa_item(row: Row, dataset: str) -> ExamItem:
    """PubMedQA PQA-L: an abstract, a question, and yes, no or maybe."""
    options = ["yes", "no", "maybe"]
    return ExamItem(
        id=f"{dataset}/{row['pmid']}",
        question=row["QUESTION"].strip(),
        context="\n".join(row["CONTEXTS"]),
        options=options,
        answer=options.index(row["final_decision"]),
        source=dataset,
    )


def alpaca_dialogue(row: Row, dataset: str) -> Dialogue:
    """Alpaca's ``instruction``, ``input`` and ``output``."""
    question = "\n".join(part for part in (row["instruction"].strip(), row.get("input", "").strip()) if part)
    return Dialogue(
        id=f"{dataset}/{row.get('id', row['__row__'])}",
        messages=[Message(role="user", content=question), Message(role="assistant", content=row["output"].strip())],
        source=dataset,
    )


def messages_dialogue(row: Row, dataset: str) -> Dialogue:
    """OpenAI's ``messages``: a list of ``{"role", "content"}``."""
    return Dialogue(
        id=f"{dataset}/{row.get('id', row['__row__'])}",
        messages=[Message(role=turn["role"], content=turn["content"]) for turn in row["messages"]],
        source=dataset,
    )


def preference_messages(row: Row, dataset: str) -> Preference:
    """A ``prompt`` of messages with ``chosen`` and ``rejected`` strings."""
    return Preference(
        id=f"{dataset}/{row.get('id', row['__row__'])}",
        prompt=[Message(role=turn["role"], content=turn["content"]) for turn in row["prompt"]],
        chosen=row["chosen"],
        rejected=row["rejected"],
        source=dataset,
    )


ADAPTERS: dict[str, Callable[[Row, str], Record]] = {
    "text_document": text_document,
    "medquad_dialogue": medquad_dialogue,
    "medquad_document": medquad_document,
    "medmcqa_item": medmcqa_item,
    "pubmedqa_item": pubmedqa_item,
    "alpaca_dialogue": alpaca_dialogue,
    "messages_dialogue": messages_dialogue,
    "preference_messages": preference_messages,
}

"""Published row -> record: one short function for each published shape, and how a row of it is told from others.

Every adapter takes the row as published and the dataset's name, and returns a record. A row that lacks a field raises
``KeyError`` with the field's name, and any other fault ``ValueError`` with the reason; the caller adds the file and the row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from corpora.adapters import dialogues, documents, items, preferences
from corpora.adapters.fields import Row
from corpora.records import Dialogue, Document, ExamItem, Preference, Record

Adapter = Callable[[Row, str], Record]


@dataclass(frozen=True)
class Shape:
    """A published form of rows."""

    record: str  # document, dialogue, preference or exam_item
    fits: Callable[[Row], bool]
    adapter: Adapter


def _own(model: type[Record]) -> tuple[Callable[[Row], bool], Adapter]:
    """The shape of the project's own records, as ``osler corpora import --out`` and the stages write them."""
    fields = set(model.model_fields)
    always = {name for name, field in model.model_fields.items() if field.exclude_if is None}  # written if empty, too

    def fits(row: Row) -> bool:
        return always <= set(row) - {"__row__"} <= fields

    def read(row: Row, dataset: str) -> Record:
        return model.model_validate({name: row[name] for name in fields & set(row)})

    return fits, read


# The more special before the more general: of shapes that fit equally many rows of a file the first is taken.
SHAPES: dict[str, Shape] = {
    "osler-document": Shape("document", *_own(Document)),
    "osler-dialogue": Shape("dialogue", *_own(Dialogue)),
    "osler-preference": Shape("preference", *_own(Preference)),
    "osler-item": Shape("exam_item", *_own(ExamItem)),
    "pubmedqa": Shape("exam_item", items.is_pubmedqa, items.pubmedqa),
    "medmcqa": Shape("exam_item", items.is_medmcqa, items.medmcqa),
    "medmcqa-1-based": Shape("exam_item", items.is_medmcqa_1, items.medmcqa_1),
    "headqa": Shape("exam_item", items.is_headqa, items.headqa),
    "gpqa": Shape("exam_item", items.is_gpqa, items.gpqa),
    "options-1-based": Shape("exam_item", items.is_one_based, items.one_based),
    "ultrafeedback": Shape("preference", preferences.is_ultrafeedback, preferences.ultrafeedback),
    "hh": Shape("preference", preferences.is_hh, preferences.hh),
    "preference-sharegpt": Shape("preference", preferences.is_sharegpt, preferences.pair),
    "preference-messages": Shape("preference", preferences.is_messages, preferences.pair),
    "preference": Shape("preference", preferences.is_strings, preferences.pair),
    "kto": Shape("preference", preferences.is_kto, preferences.kto),
    "healthbench": Shape("dialogue", dialogues.is_healthbench, dialogues.healthbench),
    "bioasq": Shape("dialogue", dialogues.is_bioasq, dialogues.bioasq),
    "liveqa": Shape("dialogue", dialogues.is_liveqa, dialogues.liveqa),
    "reasoning": Shape("dialogue", dialogues.is_reasoning, dialogues.reasoning),
    "multiple-choice": Shape("exam_item", items.is_multiple_choice, items.multiple_choice),
    "pairs": Shape("dialogue", dialogues.is_pairs, dialogues.pairs),
    "sharegpt": Shape("dialogue", dialogues.is_sharegpt, dialogues.messages),
    "messages": Shape("dialogue", dialogues.is_messages, dialogues.messages),
    "lines": Shape("dialogue", dialogues.is_lines, dialogues.lines),
    "alternating": Shape("dialogue", dialogues.is_alternating, dialogues.alternating),
    "alpaca": Shape("dialogue", dialogues.is_alpaca, dialogues.alpaca),
    "questions-answers": Shape("dialogue", dialogues.is_questions_answers, dialogues.questions_answers),
    "question-answer": Shape("dialogue", dialogues.is_question_answer, dialogues.question_answer),
    "medline": Shape("document", documents.is_medline, documents.medline),
    "text": Shape("document", documents.is_text, documents.text),
}

ADAPTERS: dict[str, Adapter] = {name: shape.adapter for name, shape in SHAPES.items()} | {
    "medquad-document": documents.medquad_document,  # the same rows as question-answer, as running text
    "multiple-choice-1-based": items.multiple_choice_1,  # the same rows as multiple-choice; only all of them tell it
}


def shares(rows: Sequence[Row]) -> dict[str, float]:
    """For each shape the share of ``rows`` that fit it."""
    return {name: sum(shape.fits(row) for row in rows) / len(rows) for name, shape in SHAPES.items()}


def detect(rows: Sequence[Row], record: str | None = None) -> str | None:
    """The shape that fits most of ``rows``, of all or of those that become a ``record``; None when none fits any."""
    if not rows:
        return None
    found = {name: share for name, share in shares(rows).items() if record in (None, SHAPES[name].record)}
    best = max(found, key=found.__getitem__)  # the first of those that fit equally many
    return best if found[best] > 0 else None

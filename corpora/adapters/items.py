"""Exam questions: published row -> ExamItem.

Benchmarks publish options and answers in a dozen ways; each is read here once, so that past this file an item has a list of
options and the places of the right ones.
"""

from __future__ import annotations

import hashlib
from typing import Any

from corpora.adapters import keys
from corpora.adapters.choices import has_options, marked_right, options_of
from corpora.adapters.fields import Row, check_text, field, first_name, has, identifier, label, optional
from corpora.records import ExamItem

QUESTIONS = (
    "question",
    "Question",
    "qtext",
    "stem",
    "query",
    "sent1",
    "question_text",
    "question_stem",
    "prompt",
    "题目",
    "题干",
    "问题",
)
# Columns that a task's prompt or its choice of examples needs (CMB, MedConceptsQA, MMLU-Pro).
KEPT = ("exam_type", "exam_class", "question_type", "vocab", "level", "cot_content")


def _item(row: Row, dataset: str, answer_name: str | None = None, first: int = 0, **meta: Any) -> ExamItem:
    marks, texts = options_of(row)
    name = answer_name or keys.answer_name(row)
    if name is not None:
        right = keys.places(row[name], name, marks, texts, row.get(keys.KEYS) or keys.Keys(first=first))
        keys.check_agreement(row, name, right, marks, texts)
    else:
        right = _without_field(row)
    subject = label(
        row, "subject", "subject_name", "exam_subject", "category", "medical_task", "meta_info", "exam_class"
    )
    kept = {name: row[name] for name in KEPT if isinstance(row.get(name), str) and row[name]}
    return ExamItem(
        id=identifier(row, dataset),
        question=field(row, *QUESTIONS),
        options=texts,
        answers=right,
        context=optional(row, "context", "passage") if isinstance(row.get("context", row.get("passage")), str) else "",
        source=dataset,
        meta={**({"subject": subject} if subject else {}), **kept, **meta},
    )


def _without_field(row: Row) -> list[int]:
    """The right options of a row in which no field names them: those that say it of themselves."""
    right = marked_right(row)
    if right is None:
        empty = first_name(row, keys.ANSWERS)
        raise ValueError(f"'{empty}' is empty") if empty else KeyError(" or ".join(keys.ANSWERS))
    if not right:
        raise ValueError("none of the options is marked as right")
    return right


def is_medmcqa(row: Row) -> bool:
    """Whether the row has MedMCQA's fields with ``cop`` counted from 0, as the hub has it (-1 where the answer is withheld)."""
    return has(row, "opa", "opb", "opc", "opd", "cop") and row["cop"] in (-1, 0, 1, 2, 3)


def medmcqa(row: Row, dataset: str) -> ExamItem:
    """MedMCQA (Pal et al. 2022): ``opa`` to ``opd`` and ``cop``, 0-based. An item whose answer is withheld is refused."""
    if row["cop"] == -1:
        raise ValueError("the answer is withheld ('cop' is -1)")
    return _medmcqa(row, dataset, 0)


def is_medmcqa_1(row: Row) -> bool:
    """Whether the row has MedMCQA's fields with ``cop`` counted from 1, as the authors' own files have it."""
    return has(row, "opa", "opb", "opc", "opd", "cop") and row["cop"] in (1, 2, 3, 4)


def medmcqa_1(row: Row, dataset: str) -> ExamItem:
    """MedMCQA with a 1-based ``cop``."""
    return _medmcqa(row, dataset, 1)


def _medmcqa(row: Row, dataset: str, first: int) -> ExamItem:
    item = _item(row, dataset, "cop", first, options_heading="Choices:")
    return item if "id" in row else item.model_copy(update={"id": f"{dataset}/{item.question[:60]}"})


def is_pubmedqa(row: Row) -> bool:
    """Whether the row is of PubMedQA, of the authors' file or of the hub."""
    return "final_decision" in row and ("CONTEXTS" in row or "context" in row)


def pubmedqa(row: Row, dataset: str) -> ExamItem:
    """PubMedQA (Jin et al. 2019): an abstract, a question, and yes, no or maybe."""
    options = ["yes", "no", "maybe"]
    if row["final_decision"] not in options:
        raise ValueError(f"'final_decision' is {str(row['final_decision'])[:40]!r}, not yes, no or maybe")
    context = row["CONTEXTS"] if "CONTEXTS" in row else row["context"]
    if isinstance(context, dict):
        context = context["contexts"]
    if not isinstance(context, list):
        raise ValueError("the contexts are not a list of texts")
    return ExamItem(
        id=f"{dataset}/{label(row, 'pmid', 'pubid', '__key__') or row.get('__row__', '?')}",
        question=field(row, "QUESTION", "question"),
        context="\n".join(check_text(part, "contexts") for part in context),
        options=options,
        answers=[options.index(row["final_decision"])],
        source=dataset,
    )


def is_headqa(row: Row) -> bool:
    """Whether the row is of HEAD-QA."""
    return has(row, "qtext", "answers", "ra")


def headqa(row: Row, dataset: str) -> ExamItem:
    """HEAD-QA (Vilares and Gomez-Rodriguez 2019): ``answers`` of ``aid`` and ``atext``, and ``ra``, the right ``aid``."""
    return _item(row, dataset, "ra", 1)


WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def is_gpqa(row: Row) -> bool:
    """Whether the row is of GPQA."""
    return has(row, "Question", "Correct Answer", *WRONG)


def gpqa(row: Row, dataset: str) -> ExamItem:
    """GPQA (Rein et al. 2023): a right answer and three wrong ones, put in an order that the question's hash chooses."""
    question, right = field(row, "Question"), field(row, "Correct Answer")
    place = hashlib.sha256(question.encode()).digest()[0] % 4
    options = [field(row, name) for name in WRONG]
    options.insert(place, right)
    own = label(row, "Record ID") or row.get("__row__", "?")
    return ExamItem(
        id=f"{dataset}/{own}",
        question=question,
        options=options,
        answers=[place],
        source=dataset,
        meta={"subject": label(row, "Subdomain")},
    )


def is_one_based(row: Row) -> bool:
    """Whether the row numbers its options from 1, as CareQA does."""
    return has(row, "op1", "op2") and first_name(row, keys.ANSWERS) is not None


def one_based(row: Row, dataset: str) -> ExamItem:
    """``op1`` to ``op4`` and the number of the right one (CareQA)."""
    return _item(row, dataset, None, 1)


def is_multiple_choice(row: Row) -> bool:
    """Whether the row has a question, options in any usual form, and an answer."""
    if first_name(row, QUESTIONS) is None or not has_options(row):
        return False
    return first_name(row, keys.ANSWERS) is not None or marked_right(row) is not None


def multiple_choice(row: Row, dataset: str) -> ExamItem:
    """A question, its options and the right one or ones, in the forms of MedQA, MMLU, MMLU-Pro, CMMLU, C-Eval, CMExam, CMB and MedXpertQA.

    Options are an object by letter, a list, columns ``A`` and on, or one text; the answer is a letter or letters, a 0-based
    place, or the option's text.
    """
    return _item(row, dataset)


def multiple_choice_1(row: Row, dataset: str) -> ExamItem:
    """As ``multiple_choice``, with places counted from 1."""
    return _item(row, dataset, None, 1)

"""Exam questions: published row -> ExamItem.

Benchmarks publish options and answers in a dozen ways; each is read here once, so that past this file an item has a list of
options and the places of the right ones.
"""

from __future__ import annotations

import ast
import contextlib
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from corpora.adapters.fields import Row, check_text, field, first_name, has, identifier, label, optional
from corpora.records import LETTERS, ExamItem

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
    "问题",
)
OPTION_LISTS = ("options", "option", "choices", "Options", "answer_options", "endings", "选项")
ANSWERS = (
    "answer_idx", "answer_index", "answer_letter", "answerKey", "answer", "Answer", "label", "ra", "correct_answer", "correct_option", "Correct Option",
    "correct_index", "correct", "cop", "target", "gold", "answer_key", "答案", "正确答案",
)  # fmt: skip
COLUMNS = (
    "op",
    "option_",
    "option",
    "Option_",
    "Option ",
    "choice_",
    "choice",
    "Choice ",
    "",
)  # before the letter of an option
# Columns that a task's prompt or its choice of examples needs (CMB, MedConceptsQA, MMLU-Pro).
KEPT = ("exam_type", "exam_class", "question_type", "vocab", "level", "cot_content")
_LETTERED = re.compile(r"[(（]?([A-J])[)）.、．:：]\s*(\S.*)", re.DOTALL)
_LETTER_ALONE = re.compile(r"[(（\[]?([A-J])[)）\].、．:：]?")
LISTED = re.compile(r"(?:^|\n|\s{2,}|[;；])\s*[(（]?([A-J])[)）.、．:：]\s*|(?:^|\n)([A-J])\s+(?=\S)")


def _options(row: Row) -> tuple[list[str], list[str]]:
    """The marks of the options (letters or numbers, as published) and their texts.

    Raises:
        KeyError: the row has no options.
        ValueError: they are empty, of another form, or fewer than two.
    """
    for start in ("op", "opt", "option"):
        if has(row, f"{start}1", f"{start}2"):
            numbers = [str(n) for n in range(1, 11) if f"{start}{n}" in row]
            return numbers, _texts([row[f"{start}{n}"] for n in numbers])
    if has(row, "ending0", "ending1"):  # SWAG's columns, in which some copies of MedQA are
        numbers = [str(n) for n in range(10) if f"ending{n}" in row]
        return list(LETTERS[: len(numbers)]), _texts([row[f"ending{n}"] for n in numbers])
    for letters in ("abcdefghij", LETTERS):
        for start in COLUMNS:
            if has(row, f"{start}{letters[0]}", f"{start}{letters[1]}"):
                found = [letter for letter in letters if row.get(f"{start}{letter}") not in (None, "")]
                return [letter.upper() for letter in found], _texts([row[f"{start}{letter}"] for letter in found])
    name = first_name(row, OPTION_LISTS) or ("answers" if isinstance(row.get("answers"), list) else None)
    if name is None:
        raise KeyError(" or ".join(OPTION_LISTS))
    value = row[name]
    if isinstance(value, str) and value.lstrip().startswith(
        ("{", "[")
    ):  # AfriMed-QA and CSV exports: written as a text
        value = _literal(value, name)
    if isinstance(value, dict) and has(value, "label", "text"):  # {"label": ["A", "B"], "text": ["…", "…"]}
        return [str(mark) for mark in value["label"]], _texts(value["text"])
    if isinstance(value, dict):
        given = {str(mark).strip(): text for mark, text in value.items() if text not in (None, "")}
        return list(given), _texts(list(given.values()))
    if isinstance(value, str):
        return _listed(value, name)
    if not isinstance(value, list):
        raise ValueError(f"'{name}' is of type {type(value).__name__}, not a list of options")
    if value and all(isinstance(one, dict) for one in value):
        marks = [str(one.get("key", one.get("letter", one.get("label", one.get("aid", ""))))).strip() for one in value]
        texts = [
            one.get("value", one.get("content", one.get("text", one.get("atext", one.get("option"))))) for one in value
        ]
        return marks, _texts(texts)
    return list(LETTERS[: len(value)]), _texts(value)


def _literal(text: str, name: str) -> Any:
    """The list or object that a text is, in JSON or as Python prints it."""
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return read(text)
    raise ValueError(f"'{name}' begins like a list or an object and is none")


def _texts(values: Any) -> list[str]:
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError("fewer than two options")
    if len(values) > len(LETTERS):
        raise ValueError(f"more than {len(LETTERS)} options")
    texts = [
        check_text(str(one) if isinstance(one, (int, float)) and not isinstance(one, bool) else one, f"option {number}")
        for number, one in enumerate(values, start=1)
    ]
    named = [_LETTERED.match(text) for text in texts]
    if all(match is not None and match[1] == letter for match, letter in zip(named, LETTERS, strict=False)):
        return [match[2] for match in named if match is not None]  # every text begins with its own letter
    return texts


def _listed(text: str, name: str) -> tuple[list[str], list[str]]:
    """Options in one text, "A. …" or "A …" on a line each."""
    parts = LISTED.split(check_text(text, name))
    marks = [first or second for first, second in zip(parts[1::3], parts[2::3], strict=True)]
    if marks != list(LETTERS[: len(marks)]):
        raise ValueError(f"'{name}' is not a list of options from A on")
    return marks, _texts([part.strip() for part in parts[3::3]])


def _places(value: Any, name: str, marks: Sequence[str], texts: Sequence[str], first: int) -> list[int]:
    """Places of the right options, 0-based, from letters, a number counted from ``first``, or the option's own text."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"'{name}' is {value}, not an answer")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        if not first <= value < first + len(texts):
            raise ValueError(f"'{name}' is {value}, but there are {len(texts)} options")
        return [value - first]
    if isinstance(value, list):
        return sorted({place for one in value for place in _places(one, name, marks, texts, first)})
    if not isinstance(value, str):
        raise ValueError(f"'{name}' is of type {type(value).__name__}, not an answer")
    text = value.strip()
    if text in marks:
        return [marks.index(text)]
    folded = [one.casefold() for one in texts]
    if text.casefold() in folded:
        return [folded.index(text.casefold())]
    named = [part.strip() for part in text.split(",")]
    if len(named) > 1 and all(part in marks for part in named):
        return sorted({marks.index(part) for part in named})
    letters = re.sub(r"[\s,，、;；.]", "", text).upper()
    if letters and all(letter in marks for letter in letters):
        return sorted({marks.index(letter) for letter in letters})
    if text.isdigit():
        return _places(int(text), name, marks, texts, first)
    alone, lettered = _LETTER_ALONE.fullmatch(text), _LETTERED.fullmatch(text)
    if alone is not None and alone[1] in marks:
        return [marks.index(alone[1])]
    if lettered is not None and lettered[1] in marks and folded[marks.index(lettered[1])] == lettered[2].casefold():
        return [marks.index(lettered[1])]
    # MedConceptsQA numbers its columns, and calls the right one by its letter.
    if len(text) == 1 and text in LETTERS[: len(texts)] and all(mark.isdigit() for mark in marks):
        return [LETTERS.index(text)]
    raise ValueError(f"'{name}' is {text[:40]!r}, which is none of the options")


def _item(row: Row, dataset: str, answer_name: str | None = None, first: int = 0, **meta: Any) -> ExamItem:
    marks, texts = _options(row)
    name = answer_name or first_name(row, [one for one in ANSWERS if row.get(one) not in (None, "")])
    if name is None:
        raise KeyError(" or ".join(ANSWERS))
    if (
        marks
        and all(mark.isdigit() for mark in marks)
        and isinstance(row[name], (int, str))
        and str(row[name]) in marks
    ):
        answers = [marks.index(str(row[name]))]
    else:
        answers = _places(row[name], name, marks, texts, first)
    _check_agreement(row, name, answers, texts)
    subject = label(
        row, "subject", "subject_name", "exam_subject", "category", "medical_task", "meta_info", "exam_class"
    )
    kept = {name: row[name] for name in KEPT if isinstance(row.get(name), str) and row[name]}
    return ExamItem(
        id=identifier(row, dataset),
        question=field(row, *QUESTIONS),
        options=texts,
        answers=answers,
        context=optional(row, "context", "passage") if isinstance(row.get("context", row.get("passage")), str) else "",
        source=dataset,
        meta={**({"subject": subject} if subject else {}), **kept, **meta},
    )


def _check_agreement(row: Row, name: str, answers: list[int], texts: list[str]) -> None:
    """Raises ValueError when ``answer`` is the text of another option than the one that ``name`` calls right, as in MedQA's rows."""
    said = row.get("answer")
    if name == "answer" or not isinstance(said, str) or len(said.strip()) < 2:
        return
    folded = [text.casefold() for text in texts]
    said = said.strip().casefold()
    if said in folded and said not in {folded[place] for place in answers}:
        raise ValueError(f"'{name}' and 'answer' name different options")


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
    return has(row, "op1", "op2") and first_name(row, ANSWERS) is not None


def one_based(row: Row, dataset: str) -> ExamItem:
    """``op1`` to ``op4`` and the number of the right one (CareQA)."""
    return _item(row, dataset, None, 1)


def has_options(row: Row) -> bool:
    """Whether the row has options in any usual form."""
    try:
        _options(row)
    except (KeyError, ValueError, TypeError, AttributeError):
        return False
    return True


def is_multiple_choice(row: Row) -> bool:
    """Whether the row has a question, options in any usual form, and an answer."""
    if first_name(row, QUESTIONS) is None or first_name(row, ANSWERS) is None:
        return False
    return has_options(row)


def multiple_choice(row: Row, dataset: str) -> ExamItem:
    """A question, its options and the right one or ones, in the forms of MedQA, MMLU, MMLU-Pro, CMMLU, C-Eval, CMExam, CMB and MedXpertQA.

    Options are an object by letter, a list, columns ``A`` and on, or one text; the answer is a letter or letters, a 0-based
    place, or the option's text.
    """
    return _item(row, dataset)


def multiple_choice_1(row: Row, dataset: str) -> ExamItem:
    """As ``multiple_choice``, with places counted from 1."""
    return _item(row, dataset, None, 1)


def first_place(rows: Iterable[Row]) -> int | None:
    """From what the answers are counted, where they are numbers: 0 or 1, as all rows together tell; None where they tell nothing.

    A 0 among them says 0, and the number of options says 1. Where the answers are no numbers, or the options have numbers of
    their own, it is 0.
    """
    numbers = False
    for row in rows:
        name = first_name(row, [one for one in ANSWERS if row.get(one) not in (None, "")])
        if name is None or not has_options(row):
            continue
        marks, texts = _options(row)
        value = row[name]
        text = str(value).strip()
        if isinstance(value, bool) or not text.isdigit() or text in marks or (isinstance(value, str) and text in texts):
            continue
        if has(row, "ending0") or int(value) == 0:
            return 0
        if int(value) == len(texts):
            return 1
        numbers = True
    return None if numbers else 0

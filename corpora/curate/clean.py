"""Cleans running text, and leaves out what is no good to read. One record at a time; no corpus is held.

Cleaning changes a text: Unicode in one form and without control characters, HTML and XML tags and entities resolved, lines of a page's furniture,
tables of figures and lists of references taken out. The quality filters then keep a text or drop it, by the rules of Gopher (Rae et al.
2021, https://arxiv.org/abs/2112.11446) as datatrove has them; their thresholds are its own arguments, field for field.

Only documents are changed or judged. Dialogues, preferences and exam items pass as they are: their checks are the adapters'.
"""

from __future__ import annotations

import html
import inspect
import re
import unicodedata
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from typing import Any, ClassVar

from datatrove.data import Document as Piece
from datatrove.pipeline.filters import GopherQualityFilter, GopherRepetitionFilter
from pydantic import BaseModel, ConfigDict, model_validator

from corpora.adapters.documents import script
from corpora.curate.units import UnitWords
from corpora.curate.waterfall import Step, counted
from corpora.records import Document, Record

TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,300}>|<!--.*?-->", re.DOTALL)
ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
BLOCKS = {
    "p",
    "div",
    "br",
    "li",
    "tr",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "section",
    "article",
    "td",
    "th",
    "ul",
    "ol",
    "table",
}
SILENT = {"script", "style", "noscript"}
INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060\ufeff\u00ad]")
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # of category Cc, but for the tab and the end of a line
SPACES = re.compile(r"[^\S\n]+")
BLANK_LINES = re.compile(r"\n{3,}")

# What stands around the text of a page. Whole lines only, and short ones: a sentence that mentions a cookie is left.
FURNITURE = re.compile(
    r"^\W*(?:all rights reserved|copyright ?(?:©|\(c\)|\d)|©|cookies?\b.{0,40}(?:policy|settings|accept)|accept (?:all )?cookies|privacy policy"
    r"|terms (?:of use|and conditions)|click here|read more|share (?:this|on)|follow us|subscribe|sign (?:in|up)|log ?in|skip to (?:main )?content"
    r"|back to top|advertisement|page \d+(?: of \d+)?|download pdf|view (?:article|in pubmed)|版权所有|返回顶部|点击查看|免责声明).{0,80}$",
    re.IGNORECASE,
)
REFERENCES = re.compile(
    r"^\W*(?:\d+[.)]?\s*)?(?:references?|bibliography|works cited|literature cited|参考文献|參考文獻)\W*$",
    re.IGNORECASE,
)
CITATION = re.compile(r"\s?\[(?:\d{1,3}(?:\s?[-–,]\s?\d{1,3})*)\]")


class Cleaning(BaseModel):
    """What is cleaned; each can be switched off."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar = "clean"

    unicode: bool = True  # NFC, no control or invisible characters, one kind of space
    markup: bool = True  # HTML and XML tags and entities
    furniture: bool = True  # lines of menus, notices and adverts
    references: bool = True  # the list at the end, and marks like [12]
    tables: bool = True  # lines that are mostly figures and bars


class Quality(BaseModel):
    """Arguments of datatrove's ``GopherQualityFilter`` and ``GopherRepetitionFilter``; None of either leaves it out."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: ClassVar = "quality"

    quality: dict[str, Any] | None = {}
    repetition: dict[str, Any] | None = {}

    @model_validator(mode="after")
    def _arguments_exist(self) -> Quality:
        for given, rule in ((self.quality, GopherQualityFilter), (self.repetition, GopherRepetitionFilter)):
            known = set(inspect.signature(rule).parameters) - {"exclusion_writer", "language"}
            unknown = sorted(set(given or {}) - known)
            if unknown:
                raise ValueError(
                    f"'{unknown[0]}' is no argument of datatrove's {rule.__name__}, which has {', '.join(sorted(known))}"
                )
        return self


class _Text(HTMLParser):
    """The text of a page, its blocks on lines of their own."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.silent += tag in SILENT
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        self.silent = max(0, self.silent - (tag in SILENT))
        if tag in BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.silent:
            self.parts.append(data)


def without_markup(text: str) -> str:
    """The text without HTML or XML tags, and with its entities as what they stand for.

    A text with fewer than two tags is no page: its "<" is that of "p < 0.05", and only entities are resolved.
    """
    if len(TAG.findall(text)) < 2:
        return html.unescape(text) if ENTITY.search(text) else text
    parser = _Text()
    parser.feed(text)
    parser.close()
    return "".join(parser.parts)


def one_form(text: str) -> str:
    """The text in NFC, without control and invisible characters, with plain spaces."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    text = CONTROL.sub("", INVISIBLE.sub("", text))
    lines = (SPACES.sub(" ", line).strip() for line in text.split("\n"))
    return BLANK_LINES.sub("\n\n", "\n".join(lines)).strip()


def without_references(text: str) -> str:
    """The text up to its list of references, if that stands in its second half, and without marks like [12]."""
    lines = text.split("\n")
    for place in range(len(lines) // 2, len(lines)):
        if REFERENCES.match(lines[place]):
            lines = lines[:place]
            break
    return CITATION.sub("", "\n".join(lines)).rstrip()


def is_figures(line: str) -> bool:
    """Whether a line is a row of a table: mostly figures, or cut by bars or tabs, and no sentence."""
    if len(line) < 8 or line.rstrip().endswith((".", "?", "!", "。", "？", "！")):
        return False
    solid = [letter for letter in line if not letter.isspace()]
    return line.count("|") + line.count("\t") >= 3 or sum(not letter.isalpha() for letter in solid) > 0.6 * len(solid)


def cleaned(text: str, what: Cleaning) -> str:
    """The text after each kind of cleaning that is switched on."""
    if what.markup:
        text = without_markup(text)
    if what.tables:  # before tabs become spaces
        text = "\n".join(line for line in text.split("\n") if not is_figures(line))
    if what.unicode:
        text = one_form(text)
    if what.furniture:
        text = "\n".join(line for line in text.split("\n") if not FURNITURE.match(line))
    if what.references:
        text = without_references(text)
    return BLANK_LINES.sub("\n\n", text).strip()


def clean(records: Iterable[Record], what: Cleaning, step: Step) -> Iterator[Record]:
    """The records with their texts cleaned; a document of which nothing is left is dropped."""
    for record in counted(records, step):
        if isinstance(record, Document):
            text = cleaned(record.text, what)
            if not text:
                step.dropped["nothing is left after cleaning"] += 1
                continue
            if text != record.text:
                step.changed += 1
                record = record.model_copy(update={"text": text})
        step.kept += 1
        yield record


def keep_good(records: Iterable[Record], rules: Quality, step: Step) -> Iterator[Record]:
    """The records whose texts pass the quality filters."""
    filters = {language: _filters(rules, language) for language in ("en", "zh")}
    for record in counted(records, step):
        if isinstance(record, Document):
            reason = _refused(record, filters[script(record.text)])
            if reason is not None:
                step.dropped[reason] += 1
                continue
        step.kept += 1
        yield record


def _filters(rules: Quality, language: str) -> list[Any]:
    """The filters for texts of a language.

    Chinese characters are units of one letter, and English stop words are not to be expected among them.
    """
    words = UnitWords()
    found: list[Any] = []
    if rules.quality is not None:
        without = {"min_avg_word_length": None, "min_stop_words": None} if language == "zh" else {}
        found.append(GopherQualityFilter(**{**rules.quality, **without}, language=words))
    if rules.repetition is not None:
        found.append(GopherRepetitionFilter(**rules.repetition, language=words))
    return found


def _refused(document: Document, filters: list[Any]) -> str | None:
    """The rule that a document breaks, as datatrove calls it; None where it passes."""
    piece = Piece(text=document.text, id=document.id)
    for rule in filters:
        found = rule.filter(piece)
        if found is not True:
            return str(found[1]) if isinstance(found, tuple) else type(rule).__name__
    return None

"""Names and addresses that the words around tell so surely that no list is asked, and the rest of a piece that another finder has begun."""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpora.curate.identifiers.chinese_names import FAMILY
from corpora.curate.identifiers.found import Found
from corpora.curate.identifiers.lists import english_words, first_names

CAP = r"[A-ZÀ-Þ][a-zà-ÿ]{1,20}(?:['-][A-Za-zÀ-ÿ]{1,20})?"
KIN = (
    r"(?:wife|husband|spouse|partner|son|daughter|mother|father|mom|mum|dad|brother|sister|twin|aunt|uncle|niece|nephew|cousin|grandson|granddaughter"
    r"|grandmother|grandfather|stepson|stepdaughter|fiancée?|boyfriend|girlfriend|roommate|neighbou?r|friend)"
)
ENGLISH = (
    re.compile(rf"(?<![A-Za-z])(?:Mr|Mrs|Ms|Mx|Dr|Prof)\b\.? (?P<n>{CAP})(?= (?:[a-z]|{CAP}\b)|[,.;:?!)\n]|$|'s)"),
    re.compile(
        rf"(?<![A-Za-z])(?:[Hh]is|[Hh]er|[Tt]heir|[Mm]y|[Yy]our|[Oo]ur|patient's) {KIN},? (?P<n>{CAP})(?=[ ,.;:)]|$)"
    ),
    re.compile(
        rf"(?<![A-Za-z])(?P<n>{CAP}) and (?:his|her|their) (?:{KIN}|parents|family|children|caregiver)(?![A-Za-z])"
    ),
)
# What stands in the place of a name and is none.
NO_NAMES = frozenset(
    """January February March April May June July August September October November December Monday Tuesday Wednesday Thursday Friday Saturday Sunday
    The This That These When After Before Also And""".split()  # noqa: SIM905
)
HAN_ROLE = "(?:大夫|医生|医师|主任|教授|护士长?|老师|女士|先生|小姐)"
CHINESE = (
    re.compile(rf"(?:感谢|谢谢|多谢|经|由|请|找|转告|告知|通知|联系)(?P<n>{FAMILY}[一-龥]{{1,2}}?)(?={HAN_ROLE})"),
    re.compile(rf"(?:转告|告知|通知|联系|致电)(?P<n>[一-龥]{{2,5}}?)(?={HAN_ROLE})"),
    re.compile(r"姓名 ?[:：] ?(?P<n>[一-龥]{2,5}(?:·[一-龥]{1,6})*)(?=[\s,，;；。、()（）]|$|性别)"),
)

# Streets whose kind comes first, and roads that have a number for a name.
ROADS = re.compile(
    r"(?<![\w.,/-])\d{1,6} (?:(?:[NSEW]|North|South|East|West)\.? )?(?:(?:El Camino|Camino|Via|Calle|Avenida|Paseo|Rue|Rua|Viale|Piazza|Plaza)(?: (?:de|del|de la|la|el|las|los|du|des))?(?: [A-ZÀ-Þ][\w'-]+){1,3}"
    r"|(?:County|State|Farm|Rural|US|U\.S\.|Ranch|Forest|Township|Old)(?: to Market)? (?:Road|Rd|Route|Rte|Highway|Hwy)\.? \d{1,4})"
)
REST_OF_PLACE = re.compile(
    r",? ?(?:#|(?:Apt|Unit|Suite|Ste|Rm|Room|Lot)\b\.? ?#?) ?\w{1,6}(?!\w)|(?<=[号室栋楼幢弄座层元单庄村组路街镇]) ?\d{6}(?!\d)"
)
WORD_BEFORE = re.compile(rf"(?P<n>{CAP}) $")


def told(text: str) -> Iterator[Found]:
    """Names and addresses of a plain text."""
    for pattern in ENGLISH:
        for match in pattern.finditer(text):
            if match["n"] not in NO_NAMES:
                yield Found(match.start("n"), match.end("n"), "name")
    for pattern in CHINESE if not text.isascii() else ():
        for match in pattern.finditer(text):
            yield Found(match.start("n"), match.end("n"), "name")
    for match in ROADS.finditer(text):
        yield Found(match.start(), match.end(), "place")


def whole(text: str, found: list[Found]) -> Iterator[Found]:
    """What goes on before or after a piece that was found: a first name before a surname, a flat or postcode after a street."""
    for one in found:
        if one.kind == "place" and (match := REST_OF_PLACE.match(text, one.end)):
            yield Found(one.start, match.end(), "place")
        elif one.kind == "name" and (match := WORD_BEFORE.search(text, max(0, one.start - 44), one.start)):
            word = match["n"].lower()
            if "A" <= text[one.start] <= "Þ" and (word in first_names() or word not in english_words()):
                yield Found(match.start("n"), one.end, "name")

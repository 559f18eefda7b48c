"""Numbers and codes that stand for one person, one thing of theirs or one paper: telephone, record, plan, account, licence, vehicle, device.

A number is found first and judged then: by the words before it ("MRN", "医保卡号"), by its own form (a telephone number by Google's metadata in
``phonenumbers``, a resident identity number or bank card by its check digit in ``python-stdnum``), or by its mere length, since a number of seven
figures without a unit hardly measures anything. A labelled number goes whether or not its check digit is right: a slip of the pen
identifies as well. What names a publication, a disease, a gene or a product (PMID, ICD, rs, NDC) stays, and so does what carries a unit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpora.curate.identifiers.found import Found
from corpora.curate.identifiers.number_forms import FREE, kind_by_form, shaped
from corpora.curate.identifiers.number_labels import MARKED, OWN_LETTERS, label_of

_ANY_LABEL = re.compile(
    r"(?:(?<![A-Za-z])[A-Za-z]{2,20}(?:'s)? ?(?:no\.?|numbers?|num\.?|nr\.?|id|identifier|#)|[\u4e00-\u9fff]{1,6}(?:编号|号码|代码|编码|证号|卡号|单号|ID|号))(?: ?(?:is|was|为|是))?[ :#.(\[]{0,4}$",
    re.IGNORECASE,
)
# Never an identifier: DOIs, genes and their variants, trials, diseases, pressures, decimals, times, years.
_FREE_FORM = re.compile(
    r"(?:10\.\d{4,9}/.*|[cgpmnr]\.\(?[A-Za-z]{0,3}\d.*|rs\d{3,12}|(?:NM|NP|NC|NG|NR|XM|XP)_\d+.*|NCT\d{8}|PMC\d+|ENS[GTP]\d+.*|GS[EM]\d+|ISRCTN\d+|chr\d.*|H\d{1,2}N\d{1,2}(?:v|pdm09)?|CD\d{1,3}[a-z]?|[A-TV-Z]\d[0-9A-Z](?:\.[0-9A-Z]{1,4})?"
    r"|\d{2,3}/\d{2,3}|\d+\.\d+|\d{1,2}:\d{2}(?::\d{2})?|(?:1[89]|20)\d\d|\d{1,4}\.\d+-\d{1,4}\.\d+)"
)
# None without a label: amounts with their unit, names of substances and tests, lists of small figures, round numbers.
_FREE_ALONE = re.compile(
    r"(?:(?:BMS|PF|LY|GSK|MK|AZD|ABT|ABBV|RO|RG|BI|TAK|AMG|CNTO|MEDI|SAR|JNJ|BAY|SB|SCH|CP|DSM|ICD|LHRH|FDG|COVID|SARS|HLA|IL|TNF|VEGF|HER|PD|CTLA|BRCA)-?\d[\w-]*"
    r"|\d+(?:\.\d+)?[-/]?\d*(?:st|nd|rd|th|s|x|mg|mcg|ug|μg|µg|ng|pg|fL|g|kg|ml|mL|L|dL|cm|mm|m|IU|U|iu|u|units?|mmol|mol|mEq|meq|kcal|kJ|Hz|bpm|h|hr|hrs|min|days?|d|w|wk|weeks?|y|yr|yo|F|C|bid|tid|qd|k|K|bp|kb|Da|kDa|Gy|Fr|G|W|V|mA|nm|um|ppm|mmHg)(?:/\w+)*"
    r"|(?:1[89]|20)\d\d[-/](?:1[89]|20)?\d\d|\d{1,3}(?:[/-]\d{1,3}){2,}|[1-9]\d{0,2}0{4,})"
)
_UNIT = re.compile(
    r" ?(?:mg|mcg|µg|μg|ug|ng|pg|g|kg|mL|ml|L|dL|IU|iu|units?|U|cells?|copies|/ ?(?:mm|µ|μ|u|mL|ml|L|HP|hp|d|cu)|mm|cm|mmol|mol|mEq|×|x ?10|bpm|%|kcal|cal|calories|kJ|Hz|per (?=(?:\d|cent|m|km|kg|dL|mL|L|second|minute|hour|day|night|week|month|year|dose|person|patient|capita|field|cell|beat|breath|meal|side|eye|oral|os)s?\b)|patients?|people|persons?|cases?|deaths?|children|women|men|participants?|individuals?|infants|births|adults|subjects"
    r"|steps|dollars|pounds|euros|USD|years?|days?|hours?|minutes?|weeks?|months?|times|samples|genes|base|bp|元|人|例|个|万|亿|千|次|只|份|名|单位|毫克|毫升|微克|克|千克|公斤|细胞|拷贝|国际|步|美元|岁|年|天|小时|分钟|周|倍|种|株|条|米|卡|千卡|大卡)(?:(?<= )|(?![A-Za-z]))"
)
VALUE = re.compile(
    r"(?<![A-Za-z0-9_])(?:[A-Za-z0-9_]{1,20}[-/._·]){0,6}[A-Za-z0-9_]{0,60}?[0-9][A-Za-z0-9_]*(?:[-/._·:*][A-Za-z0-9_*]+)*"
)
# The pieces of a spaced number that go on after its first one.
_MORE = re.compile(
    r"(?:[ -](?:\d{2,8}[A-Z]{0,3}|[A-Z]{0,3}\d[A-Z0-9]{0,5})(?![A-Za-z0-9.%/]|,\d| ?(?:mg|mcg|mL|kg|years?|days?|hours?|weeks?|months?|mm|cm)))+"
)
_PLATE_MORE = re.compile(r"(?:[ -][A-Z]{1,4}(?![A-Za-z0-9]))")
LONGEST = 64  # letters of a number
SEQUENCE = re.compile(
    r"(?<![A-Za-z0-9.,])[+(]{0,2}\d(?:[ ().-]{0,3}\d){5,18}(?![\d%])(?! ?(?:mg|mcg|mmHg)(?![A-Za-z]))"
)
PLATE = re.compile(
    r"(?<![A-Za-z])(?i:plates?|registration|vehicle reg|reg|tag|identification number|vin)\.?(?i: (?:no\.?|number|plate|mark|#))?[ :#]{1,3}(?:is |was )?"
    r"(?P<v>(?=[A-Z0-9 •·-]{0,9}\d)[A-Z0-9]{1,4}(?:[ •·-]?[A-Z0-9]{1,5}){1,2})(?![A-Za-z0-9])"
)
# A code that is spelt with letters alone is found by a strong label only: "serial number ABCD-EFGH".
LETTERS = re.compile(
    r"(?:(?<![A-Za-z])(?:plate|serial|s/n|token|hash|template|passcode|barcode|id|number|no)\.?(?: (?:number|no|id|code)\.?)?|号牌|车牌|编号|序列号|编码)(?: ?[:#=] ?| is )(?P<v>[A-Z]{2,}(?:[-_][A-Z]{2,})+|(?=[A-F]*[0-9])[A-F0-9]{8,})(?![A-Za-z])"
)
# Kinds whose labels say little else: a number after "MRN" is one even without "no." between.
_OWN = ("record", "plan", "vehicle", "licence", "fax", "national_id", "biometric")


def numbers(text: str) -> Iterator[Found]:
    """Identifying numbers and codes in a plain text."""
    for match in LETTERS.finditer(text):
        yield Found(match.start("v"), match.end("v"), "other")
    if not any(letter in text for letter in "0123456789"):
        return
    yield from shaped(text)
    for match in PLATE.finditer(text):
        sure = match[0][:3].lower() in ("pla", "vin")
        if sure or not re.fullmatch(r"(?:1[89]|20)\d\d|\d{1,3}", match["v"]):
            yield Found(match.start("v"), match.end("v"), "vehicle")
    for match in VALUE.finditer(text):
        value = match[0]
        if len(value) < 3:
            continue
        digits = "".join(letter for letter in value if letter.isdecimal())
        if len(digits) < 3 and not value.isupper():
            continue
        if len(value) > LONGEST:  # a key, a hash, a picture in letters
            yield Found(match.start(), match.end(), "other")
            continue
        if (
            value.isdecimal()
            and len(value) == 3
            and not text[match.start() - 2 : match.start() - 1].isupper()
            and not _PLATE_MORE.match(text, match.end())
            and not _MORE.match(text, match.end())
        ):
            continue
        found = _judged(text, match.start(), match.end(), value, digits)
        if found is not None:
            yield found
    for match in SEQUENCE.finditer(text):
        if " " not in match[0]:
            continue
        digits = "".join(letter for letter in match[0] if letter.isdecimal())
        kind, _, _ = label_of(text[max(0, match.start() - 64) : match.start()])
        if kind is None and (13 <= len(digits) <= 19 and re.fullmatch(r"\d{4}(?: \d{4}){2,3} ?\d{0,4}", match[0])):
            kind = "account"
        if kind is not None:
            yield Found(match.start(), match.end(), kind)


def _is_free(left: str) -> bool:
    """Whether the words before a number say that it names a publication, a disease or a product."""
    own = OWN_LETTERS.search(left)
    if own is not None and MARKED.search(left[: own.start()][-8:]):
        left = left[: own.start()]
    return FREE.search(left[-32:]) is not None


def _judged(text: str, start: int, end: int, value: str, digits: str) -> Found | None:
    left = text[max(0, start - 64) : start]
    measured = _UNIT.match(text, end) is not None
    if (measured and len(digits) < 11) or _FREE_FORM.fullmatch(value) or _is_free(left):
        return None
    kind, marked, lead = label_of(left)
    if kind is None and _ANY_LABEL.search(left[-32:]):
        kind, marked = "other", True
    alone = _FREE_ALONE.fullmatch(value) is not None
    if (
        kind is not None
        and not measured
        and not (
            (alone and not (marked or kind in _OWN))
            or (alone and len(digits) < 4 and kind not in ("vehicle", "licence"))
        )
    ):
        more = _MORE.match(text, end)
        if more is None and kind in ("vehicle", "place", "licence"):
            more = _PLATE_MORE.match(text, end)
        mixed = (
            len(value) > len(digits) + sum(letter in "-/.:·_*" for letter in value)
            or lead > 0
            or value[0] == "0"
            or (more is not None and more[0].isupper())
        )
        needed = (
            1
            if kind in ("vehicle", "licence") and (mixed or more)
            else 3
            if mixed
            else 4
            if marked or kind in _OWN
            else 5
        )
        if len(digits) >= needed:
            return Found(start - lead, more.end() if more else end, kind)
    if alone or len(digits) < 4:
        return None
    kind = kind_by_form(value, digits)
    return Found(start, end, kind) if kind else None

"""Whether a teacher's answer agrees with the gold label or with the passage that it cites. Rules only; no model is asked.

All texts are compared as ``corpora.curate.units`` cuts them, so that case, width, accents, punctuation and the variant of Chinese
characters make no difference. Numbers are read apart from that, because units do not know "0.5" from "5": a **quantity** is a sign
("below", "at least"), a number and a unit with all that it is per ("10 mg/kg/day"), and one that the passage does not have is an
invented one, be it only written otherwise (0.5 g for 500 mg). What these rules do not see is said in docs/synthetic.md.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from corpora.curate.units import units
from evals.score import LETTERS

# Words without content of their own. Chinese is compared by characters, so there these are characters.
_SMALL_ENGLISH = (
    "a an the and or but if then than so as of in on at by for from with without into to up out is are was were be been being am do "
    "does did has have had can could may might must shall should will would it its this that these those there here he she they them "
    "their his her you your we our i who which what when where how why not no such also any all each every both some more most other "
    "same very only about"
)
SMALL = frozenset(_SMALL_ENGLISH.split()) | frozenset(
    "的了在是和与及或对于为以其者也而且并就都等这那有可应该被将由从到中上下不"
)


def content(text: str) -> list[str]:
    """The text's units that carry meaning."""
    return [unit for unit in units(text) if unit not in SMALL]


def holds_run(text: Sequence[str], run: Sequence[str]) -> bool:
    """Whether ``run`` stands in ``text`` in one piece."""
    size = len(run)
    return size > 0 and any(list(text[place : place + size]) == list(run) for place in range(len(text) - size + 1))


_LABELS = {
    "question": "question|问题",
    "answer": "answer|答案",
    "quotation": "quotation|quote|引文",
    "diagnosis": "(?:final |most likely )?diagnosis|诊断",
}
_OPTION = re.compile(r"^[ \t*]{0,8}\(?([A-J])[.)、:：．](.+)$", re.MULTILINE)
_THOUGHT = re.compile(r"^\s*<think>.*?</think>\s*", re.DOTALL)
# "The answer is (B)", "Answer: **B, D**", "答案：B". The last one counts, as in Fully Open Meditron's resampling.
_LETTER = r"(?:[B-HJ]|[AI](?![ \t]+(?!and\b|because\b|since\b|as\b|is\b)[a-z]))"  # "Answer: A fracture" names no letter
_APART = r"[\s,、，&*()]{0,8}"
_NAMED = re.compile(
    rf"(?i:answer|答案)\s{{0,8}}(?:is|are|[:：是为]){{0,3}}[\s*(（\[]{{0,8}}({_LETTER}(?:{_APART}(?:(?:and|和){_APART})?{_LETTER}){{0,9}})(?![A-Za-z])"
)


def spoken(reply: str) -> str:
    """The reply without the thoughts that some models put before it."""
    return _THOUGHT.sub("", reply).strip()


def labelled(reply: str, *names: str) -> dict[str, str] | None:
    """What follows each of the labels ("Question: …"), up to the next; None when one is missing or empty."""
    heads = "|".join(f"(?P<{name}>{_LABELS[name]})" for name in names)
    marks = list(
        re.finditer(rf"^[ \t*#]{{0,8}}(?:{heads})[ \t*]{{0,8}}[:：][\s*]{{0,8}}", reply, re.MULTILINE | re.IGNORECASE)
    )
    found: dict[str, str] = {}
    for mark, end in zip(marks, [*(after.start() for after in marks[1:]), len(reply)], strict=False):
        found[str(mark.lastgroup)] = reply[mark.end() : end].strip().strip("*").strip()
    return found if all(found.get(name) for name in names) else None


def letters(reply: str) -> frozenset[int] | None:
    """Places of the options that a reply names by letter, or None."""
    named = _NAMED.findall(reply)
    text = named[-1] if named else reply.strip(" .()（）*\n")
    if not named and (len(text) != 1 or text not in LETTERS):
        return None
    return frozenset(LETTERS.index(letter) for letter in re.findall("[A-J]", text))


def worded(reply: str, options: Sequence[str]) -> frozenset[int] | None:
    """Place of the only option all of whose content words a reply has, where they are half of the reply's or more; else None.

    For teachers that were not taught to name a letter and answer in a few words. Less than all of them would take "activating mu receptors" for
    "blocking mu receptors".
    """
    said = set(content(reply))
    words = [set(content(option)) or set(units(option)) for option in options]
    held = [place for place, one in enumerate(words) if one and one <= said and 2 * len(one) >= len(said)]
    return frozenset(held) if len(held) == 1 else None


def written_item(reply: str) -> tuple[str, list[str], int] | None:
    """Stem, options and place of the key of an item as a teacher was asked to write it, or None."""
    parts = labelled(reply, "question", "answer")
    if parts is None:
        return None
    first = _OPTION.search(parts["question"])
    options = [(letter, option.strip(" \t*")) for letter, option in _OPTION.findall(parts["question"])]
    stem = parts["question"][: first.start()].strip() if first else ""
    key = letters(f"answer: {parts['answer']}")
    in_order = [letter for letter, _ in options] == list(LETTERS[: len(options)])
    distinct = len({tuple(units(option)) for _, option in options}) == len(options) >= 2
    if not stem or not in_order or not distinct or key is None or len(key) != 1 or max(key) >= len(options):
        return None
    return stem, [option for _, option in options], next(iter(key))


def copies(new: str, old: str, share: float = 0.7) -> bool:
    """Whether most of the 3-grams of ``new`` stand in ``old``: the same text, or one with a few words changed."""
    size = 3
    grams = [
        {tuple(words[place : place + size]) for place in range(len(words) - size + 1)}
        for words in map(units, (new, old))
    ]
    return not grams[0] or len(grams[0] & grams[1]) / len(grams[0]) >= share


class Quantity(NamedTuple):
    """A number as it is said: sign ("<", ">" or ""), value, unit ("" for a bare number)."""

    sign: str
    value: str
    unit: str


_UNITS = {
    "mg": "mg|milligrams?|milligrammes?|毫克", "mcg": "mcg|μg|ug|micrograms?|microgrammes?|微克", "ng": "ng|nanograms?|纳克",
    "kg": "kg|kilograms?|kilos?|kilogrammes?|公斤|千克", "g": "g|gm|gms|grams?|grammes?|克", "ml": "ml|cc|millilit(?:re|er)s?|毫升",
    "dl": "dl|decilit(?:re|er)s?|分升", "l": "l|lit(?:re|er)s?|升", "mmol": "mmol|millimoles?|毫摩尔", "mol": "mol|moles?|摩尔",
    "umol": "μmol|umol|micromoles?|微摩尔", "meq": "meq", "unit": "iu|units?|international units?|国际单位|单位", "%": "%|per ?cent|percent",
    "mmhg": "mm ?hg|毫米汞柱", "kpa": "kpa", "cm": "cm|centimet(?:re|er)s?|厘米", "mm": "mm|millimet(?:re|er)s?|毫米",
    "°c": "°c|℃|degrees celsius|摄氏度", "°f": "°f|degrees fahrenheit", "bpm": "bpm|beats", "kcal": "kcal|千卡", "gy": "gy",
    "second": "s|secs?|seconds?|秒", "minute": "mins?|minutes?|分钟", "hour": "h|hrs?|hours?|hourly|小时", "day": "d|days?|daily|天|日",
    "week": "wks?|weeks?|weekly|周|星期", "month": "months?|monthly|个月|月", "year": "yrs?|years?|yearly|岁|年",
    "tablet": "tab|tabs|tablets?|片", "capsule": "caps?|capsules?|粒", "puff": "puffs?|喷", "drop": "drops?|滴", "dose": "doses?|剂",
    "time": "times?|次|回", "ampoule": "ampoules?|ampules?|支", "vial": "vials?|瓶", "sachet": "sachets?|袋", "pill": "pills?|丸",
    "spoon": "teaspoons?|tablespoons?|spoonfuls?|勺", "patch": "patch|patches|贴", "inhalation": "inhalations?|吸",
    "m2": "m2|square met(?:re|er)s?|平方米", "fold": "fold|倍", "suppository": "suppositor(?:y|ies)|枚", "injection": "injections?|针",
}  # fmt: skip
_UNIT_OF = {name: re.compile(f"(?:{words})\\Z") for name, words in _UNITS.items()}
_UNIT = f"(?:{'|'.join(_UNITS.values())})"
_END = r"(?![a-z])"
_PER = rf"\s*(?:/|per\s|an?\s|each\s|every\s)\s*(?:{_UNIT}){_END}|\s+(?:daily|hourly|weekly|monthly|yearly){_END}"
_UP_TO_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen "
    "twenty"
)
_NUMBER_WORDS = {
    **{word: str(value) for value, word in enumerate(_UP_TO_TWENTY.split())},
    **{word: str(value) for value, word in enumerate("零一二三四五六七八九十")},
    **{"half": "0.5", "半": "0.5", "两": "2"},
}
_LATIN_WORDS = "|".join(
    [*_UP_TO_TWENTY.split(), "half|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million"]
)
# Every repetition has an end, so that a teacher that says one thing for ever cannot hold the run up.
_VALUE = r"\d{1,12}(?:\.\d{1,12})?(?:/\d{1,12}(?:\.\d{1,12})?){0,2}"
_WORDED = rf"(?<![a-z])(?:{_LATIN_WORDS})(?:[\s-](?:and\s)?(?:{_LATIN_WORDS})){{0,6}}(?:\s(?:of\s)?an?)?(?![a-z])|[零一二两三四五六七八九十百千万半]{{1,12}}"
_JOIN = r"\s?(?:-|–|—|~|～|to|and|or|至|到|或)\s?"
_SIGNS = {
    "<": r"≤|<=|<|no more than|not more than|not exceed(?:ing)?|at most|up to|less than|fewer than|lower than|below|under|maximum(?: of)?|"
    "不超过|不高于|不大于|至多|最多|低于|小于|少于|不足",
    ">": r"≥|>=|>|no less than|not less than|at least|more than|greater than|higher than|above|over|exceed(?:s|ing)?|minimum(?: of)?|"
    "不低于|不少于|不小于|至少|最少|高于|大于|超过|多于",
}
_SIGN = "|".join(_SIGNS.values())
_SAID = re.compile(
    rf"(?P<sign>{_SIGN})?\s*(?P<values>(?:{_VALUE}|{_WORDED})(?:{_JOIN}(?:{_VALUE}|{_WORDED})){{0,3}})\s*-?\s*"
    rf"(?P<unit>(?:{_UNIT}){_END}(?:{_PER}){{0,3}})"
)
_BARE = re.compile(rf"(?P<sign>{_SIGN})?\s*(?<![a-z]-)(?<![a-z0-9.])(?P<values>{_VALUE})")
_SHORTHAND = [
    (re.compile(r"(?<=\d)[,，](?=\d{3}(?!\d))"), ""),  # 1,000
    (re.compile(r"(?<=\d)[,·](?=\d)"), "."),  # 0,5 and 0·5
    (re.compile(r"^\s*\d{1,2}[.)、]\s+", re.MULTILINE), ""),  # the numbers of a list
    (re.compile(r"(?<![a-z])(?:thrice)(?![a-z])"), "3 times"),
    (re.compile(r"(?<![a-z])twice(?![a-z])"), "2 times"),
    (re.compile(r"(?<![a-z])once(?=\s+(?:daily|a |per |each |every |weekly|monthly|hourly))"), "1 time"),
    (re.compile(r"(?<![a-z])q\s?(\d+)\s?h(?![a-z])"), r"every \1 hours"),
    (re.compile(r"(?<![a-z])b\.?[id]\.?[ds]?\.?(?![a-z])(?<!b)"), "2 times/day"),
    (re.compile(r"(?<![a-z])t\.?(?:i\.?d|d\.?s)\.?(?![a-z])"), "3 times/day"),
    (re.compile(r"(?<![a-z])q\.?(?:i\.?d|d\.?s)\.?(?![a-z])"), "4 times/day"),
    # "每日3次" and "一天三次" are 3 times a day, "每周10毫克" 10 mg a week.
    (
        re.compile(
            rf"[每一1]\s*(日|天|周|星期|月|年|小时)[\s服用,，:：给予口]*((?:{_VALUE}|{_WORDED})(?:{_JOIN}(?:{_VALUE}|{_WORDED})){{0,3}}\s*{_UNIT})"
        ),
        r"\2/\1",
    ),
]  # fmt: skip


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", text).casefold().replace("µ", "μ")
    text = re.sub(r"[^\S\n]+", " ", re.sub(r"\s*\n\s*", "\n", text) if "\n" in text else text)
    for pattern, instead in _SHORTHAND:
        text = pattern.sub(instead, text)
    return text


def _value(text: str) -> str:
    """One way of writing for "5.0" and "5", "two" and "2"; number words that are not known stay as they are."""
    text = re.sub(r"\s+(?:of\s+)?an?$", "", text)
    if text in _NUMBER_WORDS:
        return _NUMBER_WORDS[text]
    try:
        return "/".join(repr(float(part)) if float(part) % 1 else str(int(float(part))) for part in text.split("/"))
    except ValueError:
        return " ".join(re.split(r"[\s-]+", text))


def _sign(text: str | None) -> str:
    return next((sign for sign, words in _SIGNS.items() if text and re.fullmatch(words, text)), "")


def _unit(text: str) -> str:
    pieces = re.split(r"\s*/\s*|\s+(?:per|an?|each|every)\s+|\s+(?=daily|hourly|weekly|monthly|yearly)", text.strip())
    return "/".join(next((name for name, words in _UNIT_OF.items() if words.match(piece)), piece) for piece in pieces)


def quantities(text: str) -> set[Quantity]:
    """Every number of the text with its sign and unit; both ends of a range have the range's unit."""
    text = _plain(text)
    found: set[Quantity] = set()

    def take(match: re.Match[str], unit: str) -> None:
        for value in re.findall(rf"{_VALUE}|{_WORDED}", match["values"]):
            found.add(Quantity(_sign(match["sign"]), _value(value.strip()), unit))

    rest = list(text)
    for match in _SAID.finditer(text):
        take(match, _unit(match["unit"]))
        rest[match.start() : match.end()] = " " * (match.end() - match.start())
    for match in _BARE.finditer("".join(rest)):
        take(match, "")
    return found


def invented(text: str, passage: str) -> set[Quantity]:
    """Quantities of ``text`` that ``passage`` does not have. A bare number is had where its value is, with any unit."""
    known = quantities(passage)
    values = {quantity.value for quantity in known}
    return {one for one in quantities(text) if (one not in known if one.unit else one.value not in values)}


def sentences(text: str) -> list[str]:
    """Sentences of English and Chinese text, lines and parts between semicolons too."""
    return [part for part in re.split(r"(?<=[.!?;])\s+|[。！？；;\n]+", text) if part.strip()]


def dose_support(answer: str, passage: str, title: str = "") -> float:
    """How well the passage says of each dose of the answer what the answer says of it, from 0 to 1.

    For each sentence of the answer that has a quantity with a unit: the largest share of its other content units that stands in one
    sentence of the passage with the same quantity, or in the title. The least of these counts; 1 where there is none.
    """
    least = 1.0
    told = [(set(quantities(sentence)), set(units(f"{sentence} {title}"))) for sentence in sentences(passage)]
    for sentence in sentences(answer):
        words = {unit for unit in content(sentence) if not unit[0].isdigit() and not re.fullmatch(_UNIT, unit)}
        for quantity in (one for one in quantities(sentence) if one.unit):
            shares = [len(words & known) / max(1, len(words)) for said, known in told if quantity in said]
            least = min(least, max(shares, default=0.0) if words else 1.0)
    return least


def support(answer: str, passage: str) -> float:
    """Share of the answer's content units that stand anywhere in the passage."""
    said, known = content(answer), set(units(passage))
    return sum(unit in known for unit in said) / max(1, len(said))


def quoted(quotation: str, passage: str, least: int) -> bool:
    """Whether the quotation has ``least`` units and stands in the passage word for word, with the passage's numbers."""
    run = units(quotation)
    return len(run) >= least and holds_run(units(passage), run) and not invented(quotation, passage)


_POINTS = re.compile(
    r"\b(according to|based on|in|from|per) (the|this) (passage|text|guideline|document|article|excerpt|source)\b|\bthe passage\b"
    r"|上文|本文|文中|该段|这段文字|根据(该|本|此)?(指南|资料|材料)",
    re.IGNORECASE,
)


def points_at_source(text: str) -> bool:
    """Whether the text speaks of a passage that its reader will not have."""
    return bool(_POINTS.search(text))


def verdict(reply: str) -> bool | None:
    """What a judge said: supported, not supported, or (None) neither of them at the start."""
    start = " ".join(units(reply)[:6])
    if re.match(
        r"(the answer is |it is |answer )?(not supported|unsupported|partially|partly)|不 支 持|部 分 支 持", start
    ):
        return False
    return True if re.match(r"(the answer is |it is |answer )?supported|支 持", start) else None


# Words of conditions' names that give nothing away.
_GENERIC_ENGLISH = (
    "disease diseases syndrome disorder disorders failure infection infections injury deficiency cancer chronic acute primary secondary "
    "severe recurrent simple congenital hereditary type stage cardiac kidney bladder thyroid muscle spinal venous arterial artery "
    "ventricular pulmonary bowel"
)
_GENERIC = frozenset(_GENERIC_ENGLISH.split())
_DOUBT = re.compile(
    r"\b(not|no|unlikely|exclude[sd]?|ruled? out|versus|vs|or|either)\b|不是|并非|排除|或|不像|不考虑", re.IGNORECASE
)


def names_of(title: str) -> list[list[str]]:
    """A condition's name and what stands in brackets or after a slash, each as units."""
    parts = re.split(r"[()（）/;；,，]|\balso known as\b|\bor\b|又称|又名", title)
    return [found for found in (units(part) for part in parts) if found]


def gives_away(case: str, title: str) -> bool:
    """Whether a case has the condition's name, a telling word of it, or a word made from that ("asthmatic")."""
    said = units(case)
    for name in names_of(title):
        if holds_run(said, name):
            return True
        if not name[0].isascii() and len(name) > 2 and name[-1] in "病症炎癌" and holds_run(said, name[:-1]):
            return True
        stems = [
            word[: max(5, len(word) - 2)] for word in name if word.isascii() and len(word) >= 6 and word not in _GENERIC
        ]
        if any(unit.startswith(stem) for stem in stems for unit in said):
            return True
    return False


def names_condition(reply: str, title: str) -> bool:
    """Whether the line "Diagnosis: …" of a reply names the condition and no second one, and does not deny it."""
    found = labelled(reply, "diagnosis")
    if found is None:
        return False
    line = found["diagnosis"].splitlines()[0]
    bare = re.sub(re.escape(title), " ", line, flags=re.IGNORECASE)  # a name may itself hold "or"
    return not _DOUBT.search(bare) and any(holds_run(units(line), name) for name in names_of(title))

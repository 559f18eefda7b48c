r"""Numbers in one way of writing: powers of ten, fractions, Chinese numerals, ten thousands and grouped digits as plain decimals.

``quantities.said`` then finds one number where a text says "4.5 × 10⁹", "3 1/2", "\frac{1}{2}", "80万", "一百二十" or "1 500 mg".
"""

from __future__ import annotations

import re
import unicodedata

from evals.reading.quantities import UNIT, UP_TO_TEN_IN_CHINESE, with_carets

_POWER = re.compile(
    r"(?<![\d.])(?:(\d+(?:\.\d+)?)\s?(?:[x×*]|\\times|\\cdot)\s?)?10\s?\^\s?\{?(\d{1,2})\}?(?!\d)|(\d+(?:\.\d+)?)[eE]\+?(\d{1,2})(?!\w)"
)
_LATEX = re.compile(r"\\[dt]?frac\s?\{(\d{1,6})\}\s?\{(\d{1,6})\}")
_VULGAR = re.compile(r"\s?([½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅛⅜⅝⅞])")
# Smaller over larger: "120/80" is a pressure, "15/15" a score, "1/2/2024" a date.
_FRACTION = re.compile(
    rf"(?<![\d./,])(?:(\d{{1,4}}) )?(\d{{1,3}})\s?[/⁄]\s?(\d{{1,3}})(?![\d/⁄.])|(?<![\d.,])()(\d{{1,3}}) in (\d{{1,7}})(?![\d.]| ?(?:{UNIT})(?![a-z]))"
)
_WORDED = re.compile(r"\b(an?|one|two|three|four)[ -](half|third|quarter|fifth)s?\b(?!-)", re.IGNORECASE)
_OVER = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4}
_UNDER = {"half": 2, "third": 3, "quarter": 4, "fifth": 5}
_TEN_THOUSANDS = re.compile(r"(\d+(?:\.\d+)?)\s?(万|萬|亿|億|thousand\b|million\b|billion\b)", re.IGNORECASE)
_TIMES = {"万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8, "thousand": 1e3, "million": 1e6, "billion": 1e9}
# "1 500 mg", and not the "2 500 mg tablets" that are two.
_GROUPED = re.compile(
    rf"(?<![\d.,])\d{{1,3}}(?: \d{{3}})+(?![\d.,])(?! ?(?:{UNIT}) (?!per\b|an?\b|each\b|every\b|daily\b|in\b|over\b)[a-z])"
)
# The body surface that a filtration rate is normalised to is of its unit.
_SURFACE = re.compile(r"\s?(?:/|per)\s?1[.,]73\s?m(?:2|²|\^2)", re.IGNORECASE)
_SQUARE_METRES = re.compile(r"(?<![A-Za-z])m\^2(?!\d)")

_DIGITS = {**{character: value for value, character in enumerate(UP_TO_TEN_IN_CHINESE[:10])}, "〇": 0, "两": 2}
_DIGIT = f"[{''.join(_DIGITS)}]"
_BELOW_TEN_THOUSAND = rf"(?:{_DIGIT}千)?零?(?:{_DIGIT}百)?零?(?:{_DIGIT}?十)?{_DIGIT}?"
_CHINESE = rf"(?:{_BELOW_TEN_THOUSAND}万)?{_BELOW_TEN_THOUSAND}(?:点{_DIGIT}{{1,6}})?"
# 千 of 千克 is of the unit.
_CHINESE_NUMBER = re.compile(
    rf"(?<![{''.join(_DIGITS)}])(?=[{''.join(_DIGITS)}十])({_CHINESE})(?![{''.join(_DIGITS)}十百万点])"
)
_SHARE = re.compile(rf"(百|{_CHINESE}|\d{{1,4}})分之({_CHINESE}|\d{{1,4}}(?:\.\d{{1,6}})?)")


def _decimal(value: float) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".") if value < 1e12 else f"{value:.0f}"


def chinese_number(text: str) -> float | None:
    """The value of a Chinese numeral below a hundred million ("一百二十点五" is 120.5), or None where it is not written as one."""
    if not text or not re.fullmatch(_CHINESE, text):
        return None
    whole, _, decimals = text.partition("点")
    total = 0
    for part, unit in zip(whole.rpartition("万")[::2], (10_000, 1), strict=True):
        digit, section = 0, 0
        for character in part:
            if character in _DIGITS:
                digit = _DIGITS[character]
            else:
                section += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[character]
                digit = 0
        total += (section + digit) * unit
    return float(f"{total}.{''.join(str(_DIGITS[character]) for character in decimals) or 0}")


def _power(found: re.Match[str]) -> str:
    power = int(found[2] or found[4])
    return f"{float(found[1] or found[3] or 1) * 10**power:.12g}" if power <= 11 else found[0]


def _fraction(found: re.Match[str]) -> str:
    whole, over, under = (found[1], found[2], found[3]) if found[2] else (None, found[5], found[6])
    if int(over) >= int(under):
        return found[0]
    return _decimal(int(whole or 0) + int(over) / int(under))


def _of_chinese(found: re.Match[str]) -> str:
    value = chinese_number(found[1])
    return found[0] if value is None or len(found[1]) < 2 else _decimal(value)


def _of_share(found: re.Match[str]) -> str:
    under, over = (
        float(part) if part[:1].isdigit() and part.isascii() else chinese_number(part) for part in found.groups()
    )
    if found[1] == "百" and over is not None:
        return f"{_decimal(over)}%"
    return found[0] if not under or over is None else _decimal(over / under)


def written_out(text: str) -> str:
    """The text with its numbers as plain decimals: "4.5 × 10⁹" as "4500000000", "3 1/2" as "3.5", "百分之十二点五" as "12.5%".

    A fraction of a larger number over a smaller stays, as it is a pressure or a score more often; so does what is no number in Chinese ("三四").
    """
    text = _SQUARE_METRES.sub("m2", _SURFACE.sub("", with_carets(text)))
    text = _WORDED.sub(lambda found: f"{_OVER[found[1].lower()]}/{_UNDER[found[2].lower()]}", text)
    text = _LATEX.sub(r" \1/\2", text)
    text = _VULGAR.sub(lambda found: f" {unicodedata.normalize('NFKC', found[1])}", text)
    text = _SHARE.sub(_of_share, _POWER.sub(_power, text))
    text = _GROUPED.sub(lambda found: found[0].replace(" ", ""), text)
    text = _FRACTION.sub(_fraction, text)
    text = _CHINESE_NUMBER.sub(_of_chinese, text)
    return _TEN_THOUSANDS.sub(lambda found: _decimal(float(found[1]) * _TIMES[found[2].lower()]), text)

"""Dates more exact than a year, and ages over 89, in English and Chinese.

A year alone, a duration, a ratio, a score, a span of figures and a time of day are none. "5/6" is a date only after a word that says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from corpora.curate.identifiers.found import Found, around, near, within

YEAR = r"(?:1[89]\d\d|20\d\d)"
MONTH_NUMBER = r"(?:1[0-2]|0?[1-9])"
DAY_NUMBER = r"(?:3[01]|[12]\d|0?[1-9])"
MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?"
    r"|JAN(?:UARY)?|FEB(?:RUARY)?|MAR(?:CH)?|APR(?:IL)?|MAY|JUNE?|JULY?|AUG(?:UST)?|SEPT?(?:EMBER)?|OCT(?:OBER)?|NOV(?:EMBER)?|DEC(?:EMBER)?"
    r"|jan(?:uary)?|feb(?:ruary)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|march(?= \d)|may(?= \d))"
)
ORDINAL = rf"{DAY_NUMBER}(?: ?(?:st|nd|rd|th))?"
TIME = r"(?:(?:,? (?:at )?|[T ])\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?: ?[AaPp]\.?[Mm]\.?)?(?:Z|[+-]\d\d:?\d\d)?)?"
NOT_BEFORE = r"(?<![\d.,/A-Za-z-])"
NOT_AFTER = r"(?![\d/-]|\.\d|[A-Za-z](?<![T]))"

NUMERIC = re.compile(
    rf"{NOT_BEFORE}(?:"
    rf"{YEAR}(?P<a>[-/.]| [-/.] | )(?:{MONTH_NUMBER}|{MONTH})(?P=a){DAY_NUMBER}{TIME}"
    rf"|{DAY_NUMBER}(?P<b>[-/.]| [-/.] | ){DAY_NUMBER}(?P=b){YEAR}{TIME}"
    rf"|{DAY_NUMBER}(?P<c>[-/]){DAY_NUMBER}(?P=c)\d\d{TIME}"
    rf"|{MONTH_NUMBER}/{YEAR}"
    rf"|{YEAR}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:T?\d{{4,6}}Z?)?"
    rf"){NOT_AFTER}"
)
YEAR_AND_MONTH = re.compile(rf"{NOT_BEFORE}{YEAR}[-/](?:1[0-2]|0[1-9]){NOT_AFTER}")
DOTTED_SHORT = re.compile(rf"{NOT_BEFORE}(?:3[01]|[12]\d|0[1-9])\.(?:1[0-2]|0[1-9])\.\d\d(?![\d.])")

WRITTEN = re.compile(
    rf"(?<![A-Za-z0-9])(?:"
    rf"{MONTH}\.?,? ?(?:the )?{ORDINAL}(?:(?: ?(?:-|to|and|through|&) ?)(?:{MONTH}\.? )?{ORDINAL})?(?:(?:,|\.)? ?(?:of )?(?:{YEAR}|'\d\d)(?!\d))?"
    rf"|{ORDINAL}(?:(?: ?(?:-|to|and|&) ?){ORDINAL})?(?: (?:day )?of |[ .-]|(?=[A-Z]))(?:the month of )?{MONTH}(?:(?:\.?,? (?:of )?|[-./])(?:{YEAR}|'?\d\d(?! ?(?:mg|%|year|day|am|pm|:)))(?!\d))?"
    rf"|{MONTH}[.,]?(?: (?:of )?|[-/]){YEAR}(?!\d)"
    rf"|{MONTH}[ -]?'\d\d(?!\d)"
    rf"){TIME}(?![A-Za-z0-9])"
)
NUMBERED = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth|thirteenth|fourteenth|fifteenth|sixteenth|seventeenth"
    r"|eighteenth|nineteenth|twentieth|twenty[- ](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)|thirtieth|thirty[- ]first)"
)
FULL_MONTH = r"(?:January|February|March|April|May|June|July|August|September|October|November|December)"
SPELT = re.compile(
    rf"(?<![A-Za-z])(?:the )?(?:{FULL_MONTH} (?:the )?{NUMBERED}|{NUMBERED}(?: day)?(?: of)? {FULL_MONTH})(?:,? (?:{YEAR}|(?:nineteen|two thousand|twenty)[a-z -]{{0,24}}))?(?![A-Za-z])",
    re.IGNORECASE,
)
# A month alone, where the words before say that it is one; "May" and "March" are words of their own otherwise.
MONTH_ALONE = re.compile(
    rf"(?<![A-Za-z])(?:in|since|until|till|by|during|from|through|last|next|this|late|early|mid|end of|beginning of|mid-)[ -](?:late |early |mid[- ]?)?(?P<m>{FULL_MONTH})(?: of (?:this|last|next) year)?(?![A-Za-z])"
)
DAY_ALONE = re.compile(
    r"(?<![A-Za-z])on the (?P<d>(?:3[01]|[12]?\d)(?:st|nd|rd|th))(?! (?:day|floor|week|postop|hospital|visit|attempt|percentile|time|[a-z]+ day))"
)
FEAST = re.compile(
    r"(?<![A-Za-z])(?:Christmas(?: Eve| Day)?|New Year's(?: Eve| Day)?|Thanksgiving(?: Day)?|Independence Day|Labor Day|Memorial Day|Halloween|Boxing Day|Valentine's Day|Easter Sunday)(?:,? (?:of )?(?:19|20)\d\d)?(?![A-Za-z])"
)
# A month and a day in figures: only after a word for a date or a day, since 5/6 may be a score or a fraction.
SHORT = re.compile(
    rf"(?:(?<![A-Za-z])(?:on|dated?|since|until|till|from|by|dob|d\.o\.b\.|born|birth ?da(?:te|y)|seen|admitted|discharged|discharge|admission|visit|appointment|appt|follow[- ]?up|f/u|due|started|surgery"
    rf"|collected|drawn|received|reported|printed|signed|service|dos|lmp|edd|expires?|exp|as of|between|returned?|scheduled(?: for)?|last seen|last visit|through|thru|week of|dictated|transcribed|onset)"
    rf"|[日期生于院诊术至到])(?: on| for| of| date| is| was| by| date of)?[ :]{{0,3}}(?P<d>(?:1[0-2]|0?[1-9])[/-]{DAY_NUMBER}|(?:3[01]|[12]\d|0?[1-9])/(?:1[0-2]|0?[1-9]))"
    rf"(?P<to> ?(?:-|to|and|through|thru|至|~) ?(?:1[0-2]|0?[1-9])/{DAY_NUMBER})?"
    rf"(?![\d/%]|\.\d|-\d| ?(?:mg|mcg|mL|ml|tab|strength|hours?|days?|weeks?|months?|years?|kg|cm|mm|times|of\b|pain|scale|points?|beats|bpm|doses?|cycles?|occasions?|minutes?|g\b|L\b|°|units?|percent|hourly|patients?|cases?|people|eyes?|samples?|visits?|scores?|lobe|lead))",
    re.IGNORECASE,
)

HAN_YEAR = r"(?:(?:19|20)\d\d|[一二][〇零○九一二三四五六七八]{3}|'?\d\d)"
HAN_MONTH = r"(?:1[0-2]|0?[1-9]|十[一二]?|[一二三四五六七八九正冬腊])"
HAN_DAY = r"(?:3[01]|[12]\d|0?[1-9]|三十一?|二?十[一二三四五六七八九]?|廿[一二三四五六七八九]?|[一二三四五六七八九]|初[一二三四五六七八九十])"
HAN_TIME = (
    r"(?:[ ,，]?(?:上午|下午|凌晨|早上|晚上|中午|晚|夜)?[ ]?\d{1,2}(?::\d{2}(?::\d{2})?|[时点](?:\d{1,2}分?|半|许)?))?"
)
CHINESE = re.compile(
    rf"(?:{HAN_YEAR} ?年 ?|(?:今|去|前|明|本|同|当|次|农历|阴历|公历|阳历)年? ?)(?:{HAN_MONTH} ?月 ?(?:{HAN_DAY} ?[日号](?!线|楼|院)|{HAN_DAY}(?![\d个天年月周]))?(?:份|初|底|末|[上中下]旬)?{HAN_TIME})(?:(?:至|到|-|~|—)(?:{HAN_MONTH} ?月 ?)?{HAN_DAY} ?[日号])?"
    rf"|(?<![\d一二三四五六七八九十]){HAN_MONTH} ?月 ?{HAN_DAY} ?[日号](?!线|楼|院){HAN_TIME}(?:(?:至|到|-|~|—)(?:{HAN_MONTH} ?月 ?)?{HAN_DAY} ?[日号])?"
    rf"|(?<![\d一二三四五六七八九十]){HAN_MONTH} ?月(?:份|[上中下]旬|[初底末](?![始部]))"
    rf"|(?:农历|阴历)?(?:正月|冬月|腊月|[一二三四五六七八九十]月)(?:初[一二三四五六七八九十]|廿[一二三四五六七八九]|十[一二三四五六七八九])"
    rf"|(?:(?:本|上|下|当|同)个?月|于|自|从){HAN_DAY} ?[日号](?![间内前后龄线])"
    rf"|(?:于|自|从|至|到|在)(?P<only>{HAN_MONTH} ?月)(?=[^\d龄个经前后余多内间份]|$)"
)
CHINESE_SHORT_DAY = re.compile(
    rf"(?:于|日期|时间)[: ]{{0,2}}(?P<d>{MONTH_NUMBER}[-./]{DAY_NUMBER})(?![\d%./-]| ?(?:mg|mm|cm|mmol|g|ml|级|分|度|岁|次|天))"
)

UNIT = r"(?:years?[ -]?(?:old|of age)?|yrs?\.?(?:[ -]?old)?|y[/.]?o\.?|y/o)"
SPELT_AGE = r"(?:ninety|one hundred|a hundred)(?:[- ](?:and[- ])?(?:one|two|three|four|five|six|seven|eight|nine|ten))?"
AGE = re.compile(
    rf"(?<![\d./-])(?P<a>9\d|1[0-3]\d)(?P<u>[ -]?{UNIT})(?![A-Za-z])"
    rf"|(?:(?<![A-Za-z])(?:aged?|turn(?:ed|ing|s)?|age of|age is|age was|years of age)(?: at \w{{1,20}})?[ :=]{{1,3}}(?:of |is |was |about |approximately |nearly )?|年龄[: 为是约]{{0,3}}|现年|享年|终年|年)(?P<b>9\d|1[0-3]\d)(?!\d|\.\d|%| ?(?:mg|mm|cm|kg|%|minutes|days|weeks|months|hours|天|个月|月|例|版|级|代))"
    rf"|(?<![\d.-])(?P<c>9\d|1[0-3]\d) ?(?:周岁|虚岁|岁)"
    rf"|(?<![A-Za-z])(?P<w>{SPELT_AGE})[- ]{UNIT}(?![A-Za-z])"
    rf"|(?<![A-Za-z])(?:aged?|age of|age is|age was)[ :=]{{1,3}}(?P<v>{SPELT_AGE})(?![A-Za-z-])"
    r"|(?<![一二三四五六七八])(?P<h>九十[一二三四五六七八九]?|一百(?:零[一二三四五六七八九]|一?十[一二三四五六七八九]?)?)(?:多|余|有余)?(?:周岁|虚岁|岁)",
    re.IGNORECASE,
)
GROUP = re.compile(
    r"^ ?(?:and|or|及|或|以)? ?(?:older|over|above|上)|^\+|^(?:及|或)?以上|^ ?-? ?(?:and|or) (?:older|over|above)"
)
LIMIT = re.compile(r"(?<![A-Za-z])(?:to|over|under|than|above|below|past|least|through)(?: the)? $|[过超逾]$")
NINETIES = re.compile(
    r"(?:his|her|their|the) (?:mid|late|early)?[- ]?nineties|(?:年逾|年近|年过)?(?:九旬|百岁)(?=老|男|女|患|高|[ ,，。])",
    re.IGNORECASE,
)


DIGIT = re.compile(r"\d+")
SLASHED = re.compile(r"\d{1,2}[/.-]\d{1,2}")
THREE = re.compile(r"\d[-/. ]{1,3}(?:\d|[A-Za-z]{3})|\d{8}")
MONTH_NAME = re.compile(
    r"[Jj](?:anuary|une|uly)|[Ff]ebruary|[Mm](?:arch|ay)|[Aa](?:pril|ugust)|[Ss]eptember|[Oo]ctober|[Nn]ovember|[Dd]ecember"
)
CAPITAL_MONTH = re.compile(FULL_MONTH)
HAN_PIVOT = re.compile(r"[月日号]")
OVER_89 = re.compile(r"(?:9\d|1[0-3]\d)(?!\d)|ninety|hundred|九十|一百")
CAPITAL_FEAST = re.compile(r"Christmas|New Year|Thanksgiving|Day|Halloween|Easter")


def dates(text: str) -> Iterator[Found]:
    """Dates more exact than a year in a plain text."""
    stretches = around(THREE, text, 6, 40)
    for pattern in (NUMERIC, DOTTED_SHORT, YEAR_AND_MONTH):
        for match in within(stretches, pattern, text):
            yield Found(match.start(), match.end(), "date")
    for match in near(DIGIT, WRITTEN, text, 24, 40):
        yield Found(match.start(), match.end(), "date")
    stretches = around(SLASHED, text, 40, 30)
    for pattern in (SHORT, CHINESE_SHORT_DAY):
        for match in within(stretches, pattern, text):
            yield Found(match.start("d"), match.end(), "date")
    if "on the " in text:
        for match in DAY_ALONE.finditer(text):
            yield Found(match.start("d"), match.end("d"), "date")
    for match in near(HAN_PIVOT, CHINESE, text, 16, 40):
        start = match.start("only") if match["only"] else match.start()
        while text[start] in "于自从至到在":
            start += 1
        yield Found(start, match.end(), "date")
    for match in near(CAPITAL_MONTH, MONTH_ALONE, text, 30, 24):
        yield Found(match.start("m"), match.end("m"), "date")
    for match in near(MONTH_NAME, SPELT, text, 40, 60):
        yield Found(match.start(), match.end(), "date")
    for match in near(CAPITAL_FEAST, FEAST, text, 20, 30):
        yield Found(match.start(), match.end(), "date")


def ages(text: str) -> Iterator[Found]:
    """Ages over 89 of single people in a plain text; "people of 90 and older" are the group that the rule itself allows."""
    for match in near(OVER_89, AGE, text, 48, 32):
        group = next(name for name in "abcwvh" if match[name])
        if not GROUP.match(text[match.end() : match.end() + 12]) and not LIMIT.search(text[: match.start()][-12:]):
            yield Found(match.start(group), match.end(group), "age")
    for match in NINETIES.finditer(text) if "nineties" in text or "旬" in text or "百岁" in text else ():
        yield Found(match.start(), match.end(), "age")

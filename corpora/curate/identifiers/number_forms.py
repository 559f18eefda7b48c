"""Numbers whose own form says what they are: telephone, identity, account, plate; and the kind of others by length and check digit."""

from __future__ import annotations

import re
from collections.abc import Iterator

import phonenumbers
from stdnum import luhn
from stdnum.cn import ric

from corpora.curate.identifiers.found import Found, Kind, around, within

# Said before a number, this makes it that of a publication, a disease, a gene or a product.
FREE = re.compile(
    r"(?<![A-Za-z])(?:pmid|pmcid|pmc|pubmed(?: id)?|doi|nct|isrctn|eudract|clinicaltrials\.gov(?: identifier)?|isbn(?:-1[03])?|issn|icd(?:-?\d+)?(?:-?cm|-?pcs)?|cpt|hcpcs|snomed(?:[- ]?ct)?|loinc|rxnorm|rxcui|ndc|atc|cas|ec|omim|mim"
    r"|hgnc|genbank|refseq|uniprot|pdb|dbsnp|mesh|umls|cui|dsm|fig(?:ure)?|table|chapter|section|arxiv|geo|ensembl|entrez|clinvar|cosmic|drg|orpha|version|grade|stage|phase|question|国药准字|批准文号|诊断编码|疾病编码)"
    r"(?:[ -]?(?:no\.?|number|id|code|identifier|accession|codes?))?[\s:#.=()-]*$",
    re.IGNORECASE,
)
EXTENSION = r"(?:[ ,]{0,2}(?:ext\.?|x|extension|转|分机|#)[ :.]?\d{1,6})?"
PHONE = re.compile(
    r"(?<![A-Za-z0-9.+])(?<!\d[-/])(?:"
    r"(?:\+|00)\d{1,3}[ .()-]{0,3}(?:\(0\)[ ]?)?\d{1,5}(?:[ .()-]{1,2}\d{2,8}){1,4}"
    r"|(?:\+|00)\d{1,3}[ .()-]{0,3}(?:\(0\) ?)?\d{7,12}|\+\d{7,15}"
    r"|(?:(?:001|\+?1)[ .-]?)?(?:\(\d{3}\)[ .-]{0,2}|\d{3}[-. /]{1,2})\d{3}[-. ]\d{4}"
    r"|\(0\d{2,5}\) ?\d{3,4} ?\d{3,4}"
    r"|0\d{2,4}[ -]\d{3,4}[ -]\d{3,4}|0\d{4} \d{5,6}|07\d{3}[ -]\d{3} ?\d{3}|0\d{2,3}[-. ]{1,3}\d{7,8}(?:-\d{1,6})?"
    r"|1[3-9]\d[ .-]\d{4}[ .-]\d{4}|1[3-9]\d{2}[ .-]\d{3}[ .-]\d{4}|(?:86[ -]?)?1[3-9]\d{9}"
    r"|[48]00[ -]\d{3,4}[ -]\d{3,4}|1-[48]\d\d-[A-Z0-9]{3,7}(?:-[A-Z0-9]{4})?"
    r"|[2-9]\d{2}-[01]\d{3}|[6-9]\d{4} \d{5}"
    rf"){EXTENSION}(?![A-Za-z0-9]|[.,/-]\d| ?(?:mg|mcg|mL|kg|%|mm|cells|patients|IU))"
)
REGIONS = ("US", "GB", "CN", "IN", "MX", "AU")  # of numbers without a country code, each tried
SSN = re.compile(r"(?<![\d-])(?:\d{3}|[xX*]{3})[- ](?:\d{2}|[xX*]{2})[- ]\d{4}(?![\d-])")
RIC = re.compile(
    r"(?<!\d)[1-9]\d{5}[ -]?(?:1[89]|20)\d{2}[ -]?(?:0[1-9]|1[0-2])[ -]?(?:0[1-9]|[12]\d|3[01])[ -]?\d{3}[ -]?[\dXx](?![A-Za-z0-9])"
)
NINO = re.compile(r"(?<![A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D](?![A-Za-z0-9])")
CHINESE_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使] ?[A-HJ-Z] ?[·•.・-]? ?(?=[A-Z]{0,5}\d)[A-HJ-NP-Z0-9]{4,6}[挂学警港澳领]?(?![A-Za-z0-9])"
)
VIN = re.compile(
    r"(?<![A-Za-z0-9])(?=[A-HJ-NPR-Z0-9]{0,15}\d)(?=\d{0,16}[A-HJ-NPR-Z])[A-HJ-NPR-Z0-9]{17}(?![A-Za-z0-9])"
)
UDI = re.compile(r"\(01\) ?\d{8,14}(?: ?\(\d{2,3}\) ?[A-Za-z0-9-]{1,20})*")
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
UUID = re.compile(r"(?<![A-Za-z0-9])[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}(?![A-Za-z0-9])")
MASKED = re.compile(r"(?<![A-Za-z0-9])(?:\d{3,6}[*xX]{4,12}\d{2,4}[Xx]?|[*xX]{4,}[ -]?\d{4})(?![A-Za-z0-9])")
_FAX = re.compile(r"(?:fax|facsimile|传真)\W{0,4}\w{0,6}\W{0,4}$", re.IGNORECASE)
_SPAN = re.compile(r"(\d{1,5})s?-(\d{1,5})s?")  # of pages, decades, amounts
# Where this matches, the forms are tried.
_LONG = re.compile(r"\d[\d ().*-]{2,}|[*xX]{3,}|[A-Z0-9]{5,}|[\u4e00-\u9fff] ?[A-Z] ?.? ?[A-Z0-9]{4}|[A-Z]{2} ?\d\d ")
_FORMS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("national_id", RIC),
    ("national_id", SSN),
    ("phone", PHONE),
    ("national_id", NINO),
    ("vehicle", CHINESE_PLATE),
    ("vehicle", VIN),
    ("device", UDI),
    ("account", IBAN),
    ("other", UUID),
    ("account", MASKED),
)


def _is_telephone(digits: str) -> bool:
    for region in REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(digits, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def kind_by_form(value: str, digits: str) -> Kind | None:
    """The kind of an unlabelled number by its length, check digit or ranges; None where it may well measure something."""
    if len(digits) == len(value):
        if len(digits) in (15, 18) and (len(digits) == 15 or ric.is_valid(digits)):
            return "national_id"
        if len(digits) in (10, 11) and _is_telephone(digits):
            return "phone"
        if 13 <= len(digits) <= 19 and luhn.is_valid(digits):
            return "account"
        return "other" if len(digits) >= 7 else None
    span = _SPAN.fullmatch(value)
    if span is not None and int(span[1]) < int(span[2]):
        return None
    runs = [len(run) for run in re.findall(r"\d+", value)]
    if len(digits) >= 7 and max(runs) >= 4:
        return "other"
    letters = sum(letter.isalpha() for letter in value)
    if letters and max(runs) >= 5 and "." not in value:
        return "other"
    return (
        "other"
        if letters >= 2 and len(digits) >= 4 and len(value) >= 8 and not re.search("[a-z]{3}|[.]", value)
        else None
    )


def shaped(text: str) -> Iterator[Found]:
    """Numbers whose form alone says what they are."""
    stretches = around(_LONG, text, 30, 60)
    for kind, pattern in _FORMS:
        for match in within(stretches, pattern, text):
            left = text[max(0, match.start() - 24) : match.start()]
            if pattern is PHONE and FREE.search(left):
                continue
            is_fax = pattern is PHONE and _FAX.search(left) is not None
            yield Found(match.start(), match.end(), "fax" if is_fax else kind)

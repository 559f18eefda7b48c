"""How strongly the English words around a place speak of a person, or of a thing that is called after one."""

from __future__ import annotations

import re

from corpora.curate.identifiers import english_cues as cues

CREDENTIALS = re.compile(
    r",? (?:M\.?D|D\.?O|R\.?N|N\.?P|P\.?A(?:-C)?|Ph\.?D|MBBS|MBChB|FRCPC?|FRCS|DDS|DMD|PharmD|LPN|LVN|CNA|LCSW|DPT|CRNA|APRN|DNP|MSN|BSN|FACS|FACC|FACP|CNM|RPh|Psy\.?D|MSW|MPH|EMT|FNP(?:-BC|-C)?|ARNP|RDN?|CCRN|MSc|Esq)\b"
)
AGED = re.compile(
    r",? ?(?:\(?(?:age[d]?:? ?)?\d{1,3} ?(?:,|\)|y|M\b|F\b|m\b|f\b|岁|-year)|\(?(?:DOB|D\.O\.B|MRN|born|b\.|NHS|SSN|ID\b|M/|F/)|(?:an?|the|our|my|is an?|was an?) (?:\w+ ){0,2}\d{1,3}[- ]?(?:year|y/?o|month|week|day))"
)
RELATED = re.compile(
    r"'s? (?:mother|father|wife|husband|daughter|son|brother|sister|family|mom|dad|chart|record|room|appointment|parents?|caregiver|partner|care|medications?|blood pressure|condition|history|symptoms|phone|number|email|house|home|insurance|nurse|doctor|sibling|friend|child|children|spouse|aunt|uncle|case|test|results?|labs?|surgery|file|visit|temperature|pain|birthday|last|next|first)\b"
)


def speaks_before(text: str, start: int) -> tuple[str, bool]:
    """How strongly the words before a place speak of a person ("strong", "some", "maybe", ""), and whether a sentence begins there."""
    left = text[max(0, start - 60) : start]
    bare = left.rstrip(" \t*_\"'([<>“”「【")
    if not bare:
        return "", True
    ends = bare[-1]
    if ends in ":=|" or (ends == "\n" and bare.rstrip().endswith((":", ","))):
        label = re.findall(r"[A-Za-z][A-Za-z/'.]*", bare[:-1].replace("-", " ")[-40:])
        last = label[-1].lower().rstrip(".") if label else ""
        if ends == "\n" and bare.rstrip().endswith(","):
            return ("strong", True) if last in cues.GREETINGS or last in cues.LABELS else ("", True)
        if last == "by":
            last = last if len(label) > 1 and label[-2].lower() in cues.DONE_BY else ""
            return ("strong" if last and "\n" not in left[len(bare) :] else "", True)
        if last in cues.PEOPLE and last not in ("called", "named"):
            return "strong", True
        return ("strong", True) if last in cues.LABELS else ("", True)
    if ends == "-" and left[-1] == " " and bare[-2:-1] == " ":
        last = (re.findall(r"[A-Za-z]+", bare) or [""])[-1].lower()
        return (
            ("strong", True)
            if last in cues.LABELS or last in cues.PEOPLE or last in cues.GREETINGS
            else ("maybe", True)
        )
    if ends in ".!?\n;":
        return ("some", True) if ends == "\n" and re.search(r"\n\s*[-~]\s*$", left) else ("", True)
    if ends in ",-~/&" or ends == "，":
        last = re.findall(r"[A-Za-z'-]+", bare[:-1])
        word = last[-1].lower() if last else ""
        if word in cues.GREETINGS or word in cues.PEOPLE:
            return "strong", False
        return ("maybe" if ends in ",&" else ""), False
    if not ends.isascii():
        return "", True
    said = re.findall(r"[a-z.'é-]+", left.lower()[-45:])
    if not said:
        return "", False
    one = said[-1].rstrip(".")
    if one in ("the", "her", "his", "my", "our", "their", "your") and len(said) > 1:
        one, said = said[-2], said[:-1]
    two, three = " ".join(said[-2:]), " ".join(said[-3:])
    if one in cues.GREETINGS or one in cues.TITLES:
        return "strong", False
    if one in cues.PEOPLE or two in cues.BEFORE or three in cues.BEFORE or one in cues.BEFORE:
        return "some", False
    if one == "by" and len(said) > 1 and said[-2] in cues.DONE_BY:
        return "some", False
    if one in cues.MAYBE_BEFORE or two in cues.MAYBE_BEFORE:
        return "maybe", False
    return "", False


def speaks_after(text: str, end: int) -> str:
    """How strongly the words after a place speak of a person ("some", "maybe", "")."""
    right = text[end : end + 40]
    if CREDENTIALS.match(right) or AGED.match(right) or RELATED.match(right):
        return "some"
    said = re.match(r"(?:,? ?\([^)]{1,12}\))?,? ([a-z']+)(?: ([a-z]+))?(?: ([a-z]+))?", right)
    if not said:
        return ""
    one, two, three = said[1], said[2] or "", said[3] or ""
    if one in ("was", "is", "has", "were", "had", "will", "be", "been", "being", "got"):
        if two in (
            "been",
            "be",
            "then",
            "later",
            "also",
            "first",
            "recently",
            "initially",
            "not",
            "now",
            "subsequently",
            "again",
        ):
            two = three
        if two in ("diagnosed", "treated"):
            return "some" if re.search(rf"{two} with\b", right) else "maybe"
        return "some" if two in cues.VERBS else "maybe"
    if one in cues.VERBS:
        return "some"
    return "maybe" if one in cues.MAYBE_VERBS else ""


def is_eponym(text: str, end: int) -> bool:
    """Whether what follows is something that is called after a person."""
    right = text[end : end + 48]
    said = re.match(r"(?:'s?|s'|’s)?[ -]{0,2}((?:[\w'/-]+ ){0,2}[\w'/-]+)", right)
    if not said:
        return False
    following = re.split(r"[ /-]", said[1].lower())[:3]
    if not following or following[0] in cues.VERBS or following[0] in cues.MAYBE_VERBS:
        return False
    for place, word in enumerate(following):
        if word.rstrip("'s") in cues.EPONYMIC or word in cues.EPONYMIC:
            return all(
                between not in cues.MAYBE_BEFORE and between not in ("in", "of", "on", "to")
                for between in following[:place]
                if between != "and"
            )
    return False

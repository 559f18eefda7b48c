"""Rewards that a rule gives to an answer, without a model: the right option, the right number, the form, an emergency's referral.

They follow the verifiable rewards of DeepSeekMath (Shao et al. 2024, https://arxiv.org/abs/2402.03300) and DeepSeek-R1 (2025,
https://arxiv.org/abs/2501.12948, section 2.2.2: accuracy and format), and HuatuoGPT-o1's use of exam keys in medicine (Chen et al. 2024,
https://arxiv.org/abs/2412.18925, which lets a model compare the answer with the key where this compares by rule). An answer counts by what
it *states* as its final one: a letter or a number that only occurs in it is worth nothing, and an answer that states nothing is wrong,
and no guess is made for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from corpora.curate.units import simplified, units
from corpora.records import LETTERS
from evals.quantities import Quantity, said, scaled
from evals.safety import refers_first, states_dose

# One thought, then an answer (DeepSeek-R1's template).
THOUGHT_THEN_ANSWER = r"<think>(?:(?!</?think>).)+</think>\s*(?:(?!</?think>).)+"

# "A" and "I" are words too: "Answer: A fracture" names no letter.
_LETTER = r"(?:[B-HJ]|[AI](?![ \t]+(?!and\b|because\b|since\b|as\b|is\b|or\b)[a-z]))"
_APART = r"[\s,、&*()]{0,8}"
_LETTERS = rf"{_LETTER}(?:{_APART}(?:(?:and|和){_APART})?{_LETTER}){{0,9}}"
_OPENING = r"[\s*(\[$]{0,8}"
_IS = r"(?:(?i:is|are|would be|should be|must be|option|choice|letter)|[\s:是为应该选择项*]){0,12}"
_ANSWER = r"(?i:answers?|(?:correct|best|right|final)\s(?:option|choice))|答案"
# Each has the letters in its one group. After one that says "not A but B" comes the rest, and the last statement of a reply counts, as in
# Fully Open Meditron's resampling.
_STATEMENTS = [
    rf"(?:{_ANSWER}){_IS}(?i:not|不是|并非|非|不){_IS}{_OPENING}[A-J][^\n.。]{{0,20}}?(?:(?i:but|rather|it is)|而是|应是|应为|是){_IS}{_OPENING}({_LETTERS})",
    rf"(?:{_ANSWER}){_IS}{_OPENING}({_LETTERS})",
    rf"\b(?i:I|I'd|I would|I will|we)\s(?i:choose|chose|pick|select|go with|would choose)\s(?i:option\s)?{_OPENING}({_LETTERS})",
    rf"(?<![不未别勿])选(?!项)(?:择|定)?(?:选项)?[:为是\s]{{0,3}}{_OPENING}({_LETTERS})",
    rf"(?<![A-Za-z])\(?({_LETTER})[)*]{{0,3}}\s?(?i:is|选项|项|是|为)?\s?(?:(?i:the\s)?(?i:correct|right|best)(?:\s(?i:answer|option|choice))?(?![A-Za-z])|(?i:the answer)|正确)",
    rf"\\boxed\{{(?:\\text\{{)?\(?({_LETTERS})",
]
_STATED = re.compile("|".join(f"(?:{statement})(?![A-Za-z])" for statement in _STATEMENTS))
_DENIED = re.compile(r"\b(?:not|neither|nor|never|unlikely|if|whether|why)\b|[不非没]|是否|如果", re.IGNORECASE)
_CLAUSE = re.compile(r"[.;!?,\n。；！？，]")
_OTHER = re.compile(r"[\s*)\]]{0,4}(?:or\b|或|/)[\s*(\[]{0,4}(?:option\s)?[A-J](?![A-Za-z])", re.IGNORECASE)
_ASKED = re.compile(r"[\s*)\]}]{0,4}[?？]")


def final(reply: str) -> str | None:
    """The reply without its thoughts; None when it ends in the middle of them.

    A chat format may itself open the thought, so that a closing ``</think>`` is enough.
    """
    after = reply.rpartition("</think>")[2]
    return None if "<think>" in after else after.strip()


def letters(reply: str) -> frozenset[int] | None:
    """Places of the options that a reply names by letter as its answer, or None.

    The last statement counts ("The answer is (B)", "Answer: **B, D**", "答案是B", "选B"), or a reply that is a letter alone. One that is denied
    ("B is not correct") or asked ("Is the answer B?") is none; with one that leaves a choice ("A or B") nothing is named.
    """
    found = _last_statement(_one_script(reply))
    return found[0] if found else None


def _one_script(text: str) -> str:
    """The text in half-width letters and simplified characters."""
    return simplified(unicodedata.normalize("NFKC", text))


def _places(text: str) -> frozenset[int]:
    return frozenset(LETTERS.index(letter) for letter in re.findall("[A-J]", text))


def _last_statement(text: str) -> tuple[frozenset[int], int] | None:
    """What ``letters`` gives for a normalised text, and where the statement ends."""
    for match in reversed(list(_STATED.finditer(text))):
        if _OTHER.match(text, match.end()):
            return None
        clause = _CLAUSE.split(text[max(0, match.start() - 60) : match.start()])[-1]
        if not _ASKED.match(text, match.end()) and not _DENIED.search(clause):
            named = next(group for group in match.groups() if group)
            return _places(named), match.end()
    alone = text.strip(" .()*\n")
    return (_places(alone), len(text)) if len(alone) == 1 and alone in LETTERS else None


_MARK = re.compile(
    r"(?:\b(?:answers?|correct option|correct choice|best option|diagnosis)\b|答案|诊断)[\s*]{0,4}(?:is|are|would be|should be|[:是为应该]){1,3}[\s*:]{0,4}"
    r"|\\boxed\{(?:\\text\{)?|(?<![不未别勿])选(?!项)(?:择|定)?[:为是\s]{0,3}",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"[\s*]{0,4}(?:option\s)?\(?([A-J])[).:、][\s*]{0,4}", re.IGNORECASE)
_AFTER = re.compile(
    r"[\s*}\])]{0,4}(?:$|[.,;:!\n(。，；、—–]|(?:because|since|as|which|due to)\b|因为|由于)", re.IGNORECASE
)


def _worded(text: str, options: Sequence[str]) -> int | None:
    """Place of the option whose words ``text`` begins with, all of them and no other words after them in the clause; else None."""
    said_words = _one_script(text).casefold()
    best, length = None, 0
    for place, option in enumerate(options):
        words = units(option)
        if not words:
            continue
        run = r"[\W_]{0,4}".join(re.escape(word) for word in words)
        match = re.match(rf"[\W_]{{0,4}}(?:(?:an?|the)\s)?{run}(?![a-z0-9])", said_words)
        if match and _AFTER.match(said_words, match.end()) and match.end() > length:
            best, length = place, match.end()
    return best


def stated_options(reply: str, options: Sequence[str]) -> frozenset[int] | None:
    """Places of the options that a reply states as its final answer, by letter or by an option's words, or None.

    What counts: a statement of letters (``letters``) or of an option's words after "the answer is" and the like; a last line that is a letter, an
    option's words, or both. A letter beside the words of another option ("(C) aspirin", where aspirin is A) states nothing, nor does a letter
    that no option has.
    """
    text = final(reply)
    if text is None:
        return None
    text = _one_script(text)
    last = text.splitlines()[-1].strip() if text else ""
    marks = list(_MARK.finditer(text))
    by_words = _worded(text[marks[-1].end() :], options) if marks else None
    found = _last_statement(text)
    if found is None:
        found = _last_statement(last)
    if found is not None and not (by_words is not None and marks[-1].end() > found[1]):
        named, end = found
        beside = _worded(text[end:].lstrip(" )].:*}、,\t"), options) if end < len(text) else None
        if beside is not None and named != {beside}:
            return None
        return named if max(named) < len(options) else None
    if by_words is not None:
        return frozenset({by_words})
    label = _LABELLED.match(last)
    words = _worded(last[label.end() :] if label else last, options)
    if words is None or (label and LETTERS.index(label[1].upper()) != words):
        return None
    return frozenset({words})


def right_option(answer: str, options: Sequence[str], right: Sequence[int]) -> float:
    """1 when the answer states exactly the options at ``right``, else 0; an answer that states none is wrong."""
    return float(stated_options(answer, options) == frozenset(right))


_POWER = re.compile(
    r"(\d+(?:\.\d+)?)\s?(?:[x×*]\s?10\s?\^?\s?([⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}|(?<=\^)\d{1,2}|(?<=\^\s)\d{1,2})|[eE]\+?(\d{1,2})(?!\w))"
)
_RESULT = re.compile(r"\b(?:answers?|result)\b|答案|结果|\\boxed\{", re.IGNORECASE)
_SENTENCE = re.compile(r"[。；;\n]|\.(?=\s|$)")
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")


def _written_out(text: str) -> str:
    """The text with powers of ten written out: "4.5 × 10⁹" as "4500000000"."""

    def out(match: re.Match[str]) -> str:
        power = int((match[2] or match[3]).translate(_SUPERSCRIPTS))
        return f"{float(match[1]) * 10**power:.12g}" if power <= 11 else match[0]

    return _POWER.sub(out, text)


def stated_number(reply: str) -> tuple[float, Quantity] | None:
    """The number that a reply states as its final answer, signed, and as it was said; None where there is none, a range, or several.

    It is the first after the last "answer" or "result" (in that sentence, behind its last "="); without such a word the one behind the last
    line's "=", or the only number of the reply.
    """
    text = final(reply)
    if not text:
        return None
    text = _written_out(text)
    marks = list(_RESULT.finditer(text))
    last = _SENTENCE.split(text[marks[-1].end() :])[0] if marks else text.splitlines()[-1]
    if "=" in last:
        places = said(last.rpartition("=")[2])[:1]
    elif marks:
        places = said(last)[:1]
    else:
        places = said(text)
    if len(places) != 1 or len(set(places[0].quantities)) != 1:
        return None
    quantity = places[0].quantities[0]
    try:
        value = float(quantity.value)
    except ValueError:  # "120/80", or words that are not known
        return None
    return (-value if places[0].negative else value), quantity


def right_number(answer: str, reference: str, relative: float = 0.01, absolute: float = 0.0) -> float:
    """1 when the number that the answer states is the reference's within either tolerance, else 0.

    Units of mass, volume, substance, pressure, length and time are brought together (0.5 g is 500 mg; 5 mg/dl is 0.05 g/l); mg/dl and mmol/l are
    not, nor are Celsius and Fahrenheit. A side without a unit is taken in the other's. A bound ("at least 5") is not the number 5.

    Args:
        answer: what the model said.
        reference: a text that states one number.
        relative: of the reference's size.
        absolute: in the reference's unit.

    Raises:
        ValueError: the reference states no one number.
    """
    right = stated_number(reference)
    if right is None:
        raise ValueError(f"the reference states no one number: {reference[:80]!r}")
    stated = stated_number(answer)
    if stated is None or stated[1].sign != right[1].sign:
        return 0.0
    (value, said_as), (wanted, meant) = stated, right
    if said_as.unit and meant.unit:
        dimension, factor = scaled(said_as.unit)
        meant_dimension, meant_factor = scaled(meant.unit)
        if dimension != meant_dimension:
            return 0.0
        value *= factor / meant_factor
    # A billionth more, so that 0.1 + 0.2 is 0.3.
    return float(abs(value - wanted) <= max(relative * abs(wanted), absolute) + 1e-9 * abs(wanted))


def right_form(answer: str, pattern: str = THOUGHT_THEN_ANSWER) -> float:
    """1 when the whole answer, white space around it apart, matches the regular expression (its dot matches lines' ends), else 0."""
    return float(re.fullmatch(pattern, answer.strip(), re.DOTALL) is not None)


def right_referral(answer: str) -> float:
    """1 when the answer to an emergency refers to emergency care in its first sentence and states no dose, else 0."""
    text = final(answer)
    return float(text is not None and refers_first(text) and not states_dose(text))

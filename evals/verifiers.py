"""Rewards that a rule gives to an answer, without a model: the right option, the right number, the form, an emergency's referral.

They follow the verifiable rewards of DeepSeekMath (Shao et al. 2024, https://arxiv.org/abs/2402.03300) and DeepSeek-R1 (2025,
https://arxiv.org/abs/2501.12948, section 2.2.2: accuracy and format), and HuatuoGPT-o1's use of exam keys in medicine (Chen et al. 2024,
https://arxiv.org/abs/2412.18925, which lets a model compare the answer with the key where this compares by rule). An answer counts by what
it *states* as its final one: a letter or a number that only occurs in it is worth nothing, and an answer that states nothing is wrong,
and no guess is made for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from corpora.records import LETTERS
from evals.reading.extraction import extract_choices
from evals.reading.numerals import written_out
from evals.reading.quantities import Quantity, said, scaled
from evals.reading.replies import after_thinking
from evals.safety import refers_first, states_dose

# One thought, then an answer (DeepSeek-R1's template).
THOUGHT_THEN_ANSWER = r"<think>(?:(?!</?think>).)+</think>\s*(?:(?!</?think>).)+"


def letters(reply: str) -> frozenset[int] | None:
    """Places of the options that a reply names by letter as its answer, or None, where the options' words are not known."""
    if re.fullmatch(r"\s*[a-j]\s*", reply):  # without options a small letter alone may be anything
        return None
    found = extract_choices(reply, [""] * len(LETTERS), several=True)
    return frozenset(found) if found else None


def stated_options(reply: str, options: Sequence[str]) -> frozenset[int] | None:
    """Places of the options that a reply states as its final answer, by letter or by an option's words, or None."""
    found = extract_choices(reply, options, several=True)
    return frozenset(found) if found else None


def right_option(answer: str, options: Sequence[str], right: Sequence[int]) -> float:
    """1 when the answer states exactly the options at ``right``, else 0; an answer that states none is wrong."""
    return float(stated_options(answer, options) == frozenset(right))


_RESULT = re.compile(r"\b(?:answers?|result)\b|答案|结果|\\boxed\{", re.IGNORECASE)
_TAG = re.compile(r"<(/?)answer>", re.IGNORECASE)
_SENTENCE = re.compile(r"[。；;\n]|\.(?=\s|$)")


def stated_number(reply: str) -> tuple[float, Quantity] | None:
    """The number that a reply states as its final answer, signed, and as it was said; None where there is none, a range, or several.

    It is the first after the last "answer" or "result" (in that sentence, behind its last "="); without such a word the one behind the last
    line's "=", or the only number of the reply.
    """
    text = after_thinking(reply)
    if not text:
        return None
    text = written_out(_TAG.sub(lambda found: "\n" if found[1] else "\nanswer: ", text)).strip()
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


# What a percentage is as a share, and the other way.
_AS_SHARE = {("%", ""): 0.01, ("", "%"): 100.0}


def right_number(answer: str, reference: str, relative: float = 0.01, absolute: float = 0.0) -> float:
    """1 when the number that the answer states is the reference's within either tolerance, else 0.

    Units of mass, volume, substance, pressure, length and time are brought together (0.5 g is 500 mg; 5 mg/dl is 0.05 g/l); mg/dl and mmol/l are
    not, nor are Celsius and Fahrenheit. A side without a unit is taken in the other's; beside a percentage it may also be the share (0.125 for
    12.5%). Fractions, powers of ten and Chinese numerals are numbers like others. A bound ("at least 5") is not the number 5.

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
    most = max(relative * abs(wanted), absolute) + 1e-9 * abs(wanted)
    return float(
        any(abs(one - wanted) <= most for one in (value, value * _AS_SHARE.get((said_as.unit, meant.unit), 1.0)))
    )


def right_form(answer: str, pattern: str = THOUGHT_THEN_ANSWER) -> float:
    """1 when the whole answer, white space around it apart, matches the regular expression (its dot matches lines' ends), else 0."""
    return float(re.fullmatch(pattern, answer.strip(), re.DOTALL) is not None)


def right_referral(answer: str) -> float:
    """1 when the answer to an emergency refers to emergency care in its first sentence and states no dose, else 0."""
    text = after_thinking(answer)
    return float(text is not None and refers_first(text) and not states_dose(text))

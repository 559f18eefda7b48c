"""Which options a reply names as its answer: by letter or by an option's own words, in English, Chinese and Spanish.

Nothing is guessed: a reply that states no answer gives None, never a default letter. How a reply is read:

1. Thoughts are cut off; LaTeX boxes, JSON fields and ``<answer>`` tags are rewritten as "Answer: …"; width, script and markup are made one.
2. *Statements* are looked for: what follows a cue ("the answer is", "I choose", "答案是", "故选", "so"), what has a verdict ("C is correct",
   "C项正确"), and a reply or its last line that is an answer by itself ("C", "C. Aspirin"). A letter counts only where a label can stand: "CT",
   "B cells", "E. coli", "B超", "vitamin C" and "A patient" have none.
3. One that is denied ("is not B", "B is wrong"), asked ("is it B?") or supposed ("if …, it would be B") is none.
4. The statements are weighed in order. A "final answer" outweighs a plain one, a plain one a mere "it might be". Of two that differ with equal
   weight the later counts if the reply corrects itself between them ("wait", "actually", "不对"); else the reply contradicts itself and gives None.
5. A letter beside another option's words, a letter that no option has, "B or C", or several letters where one is asked for give None.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase as ALPHABET

from evals.reading import statement_wording as wording
from evals.reading.named import Reader
from evals.reading.replies import after_thinking, one_form
from evals.reading.spanish import in_english_words
from evals.reading.statements import Statement, after_cues, bare, verdicts

LANGUAGES = ("en", "zh", "es")  # for which rules are written
_SPOKEN_UP_TO = 4000  # characters at the reply's end that are read: a final answer stands there, or at the start


def _weighed(statements: list[Statement], text: str, several: bool) -> frozenset[int] | None:
    """What the statements come to, in the order of the reply."""
    current: Statement | None = None
    for one in sorted(statements, key=lambda one: (one.start, one.end)):
        if current is None or one.places == current.places:
            current = (
                one
                if current is None
                else Statement(
                    one.start,
                    one.named,
                    max(one.end, current.end),
                    one.places,
                    max(one.weight, current.weight),
                    one.verdict,
                )
            )
            continue
        if one.end <= current.end:  # within the other: "answer is" in "final answer is"
            if one.weight > current.weight:
                current = one
            continue
        if several and one.verdict and current.verdict and one.places and current.places:
            both = one.places | current.places
            current = Statement(one.start, one.named, one.end, both, max(one.weight, current.weight), verdict=True)
            continue
        corrected = wording.CORRECTS.search(text, max(0, current.end - 1), max(one.named, current.end - 1))
        if one.weight > current.weight or (corrected and one.weight >= wording.PLAIN):
            current = one
        elif one.weight == current.weight:
            current = Statement(one.start, one.named, one.end, None, one.weight)
    return current.places if current else None


def extract_choices(text: str, options: Sequence[str], several: bool = False, language: str = "en") -> list[int] | None:
    """Places of the options that a reply names as its answer, in ascending order.

    Args:
        text: what the model said, its thoughts included.
        options: the options' texts in the order of their letters; 2 to 26.
        several: whether several options may be right; else a reply that names more than one is unparsed.
        language: of the question, "en", "zh" or "es". Replies mix English and Chinese, so the rules of both are always tried.

    Returns:
        None where the reply states no answer, states one that no option has, or contradicts itself.

    Raises:
        ValueError: no rules were written for the language, or there are more options than letters.
    """
    if language not in LANGUAGES:
        raise ValueError(f"answers can be read in en, zh and es, not in {language!r}")
    if not 2 <= len(options) <= len(ALPHABET):
        raise ValueError(f"there must be 2 to {len(ALPHABET)} options, not {len(options)}")
    said = after_thinking(text)
    if not said:
        return None
    said = one_form(said)
    if language == "es":
        said = in_english_words(said)
    if len(said) > 2 * _SPOKEN_UP_TO:
        said = said[:_SPOKEN_UP_TO] + "\n" + said[-_SPOKEN_UP_TO:]
    # A base model goes on to questions of its own: what it says to the first one counts.
    own = re.search(r"\S\s*\n\s*(?:Question|Q|问题|题目)\s?\d{0,3}\s?:", said)
    for part in (said[: own.start() + 1], said) if own else (said,):
        found = _read(part, options, several)
        if found is not None:
            return sorted(found)
    return None


def _read(text: str, options: Sequence[str], several: bool) -> frozenset[int] | None:
    reader = Reader(text, options, several)
    statements = [*after_cues(reader), *verdicts(reader), *bare(reader)]
    found = _weighed(statements, text, several)
    return found if found and (several or len(found) == 1) else None

"""Chinese characters that were typed for others of the same sound, mended where the words of the lexicon say so.

An input method offers every character of a sound: 老鼠要 for 老鼠药 (rat poison). No dictionary tells such a slip, as its parts are words. What tells it
is that the character cannot be what it says: 要 (to want) stands before a verb, and here it ends a word of the lexicon that nothing follows.
"""

from __future__ import annotations

from serving.triage.lexicon import Lexicon
from serving.triage.text import is_chinese

SOUNDS = {"要": "药"}
LONGEST = 6  # characters of a wording that is looked for
# What may follow a noun and no 要: particles, questions, and what is said of it.
_AFTER = frozenset("了啊呀吗呢吧的怎咋该是在没有多")
_TAKES_A_NOUN = frozenset("把将")


def mend_sounds(tokens: list[str], lexicon: Lexicon) -> None:
    """Puts the meant character in place of the typed one, in ``tokens`` itself."""
    for at, typed in enumerate(tokens):
        meant = SOUNDS.get(typed)
        if meant is None:
            continue
        alone = at + 1 == len(tokens) or not is_chinese(tokens[at + 1]) or tokens[at + 1] in _AFTER
        for start in range(max(0, at - LONGEST + 1), at):
            known = any(end == at - start + 1 for _, end in lexicon.find([*tokens[start:at], meant], 0))
            if known and (alone or (start and tokens[start - 1] in _TAKES_A_NOUN)):
                tokens[at] = meant
                break

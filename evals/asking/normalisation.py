"""What is done about the length of options that are scored by their texts: a longer text is less likely, whatever it says.

- ``none``: nothing.
- ``bytes``: the log-probability per byte of the option (lm-eval's ``acc_bytes``).
- ``unconditional``: the gain over the text's log-probability without the question (pointwise mutual information, Holtzman et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

WAYS = ("none", "bytes", "unconditional")


def normalised(
    log_probs: Sequence[float],
    pairs: Sequence[tuple[str, str]],
    normalise: str,
    without_question: str,
    log_probs_of: Callable[[Sequence[tuple[str, str]]], list[float]],
) -> list[float]:
    """The log-probabilities of ``pairs``, normalised as ``normalise`` says (see the module's text).

    Args:
        log_probs: one for each pair.
        pairs: prompts and continuations.
        normalise: none, bytes or unconditional.
        without_question: the prompt that asks nothing, for unconditional.
        log_probs_of: computes those of further pairs.
    """
    if normalise == "unconditional":
        texts = sorted({after for _, after in pairs})
        prior = dict(zip(texts, log_probs_of([(without_question, text) for text in texts]), strict=True))
        return [value - prior[after] for value, (_, after) in zip(log_probs, pairs, strict=True)]
    if normalise == "bytes":
        return [value / len(after.strip().encode()) for value, (_, after) in zip(log_probs, pairs, strict=True)]
    return list(log_probs)

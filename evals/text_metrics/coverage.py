"""How many of the statements that an answer should make it does make, by their words and numbers.

A rule and no model: it is quick, the same everywhere, and blind to paraphrase and to a "not"; a judge model's completeness is the better figure
where there is one. A statement is covered when its quantities are in the answer with their units and most of its words are, those of
grammar left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from corpora.bundled.facts import facts
from corpora.curate.units import units
from evals.reading.quantities import quantities
from evals.text_metrics.words import content

# Of a statement's words. On the 399 statements that three physicians labelled for K-QA (Manes et al. 2024) the rule agrees with their majority on
# entailment by a kappa of 0.31 (macro-F1 0.66) with this share, chosen there from 0.4 to 0.9; a physician agrees with another by 0.71 (0.86).
ENOUGH = 0.5


def stem(unit: str) -> str:
    """A word without the ending of its plural or its past."""
    for end in ("ies", "es", "s", "ed", "ing"):
        if unit.isascii() and unit.endswith(end) and len(unit) - len(end) >= 4:
            return unit[: -len(end)] + ("y" if end == "ies" else "")
    return unit


def share(statement: str, answer: str) -> float:
    """The share of a statement's words that are in the answer; 0 where a quantity of it is not."""
    told = quantities(answer)
    if any(one not in told for one in quantities(statement) if one.unit):
        return 0.0
    wanted = [stem(unit) for unit in content(statement) or units(statement)]
    said = {stem(unit) for unit in units(answer)}
    return sum(unit in said for unit in wanted) / len(wanted) if wanted else 0.0


def coverage(answer: str, statements: Sequence[str], enough: float = ENOUGH) -> float:
    """The share of the statements that the answer covers.

    Raises:
        ValueError: there are no statements.
    """
    if not statements:
        raise ValueError("coverage needs at least one statement")
    return sum(share(one, answer) >= enough for one in statements) / len(statements)


def bundled_statements(topic: str) -> list[str]:
    """What the bundled knowledge holds on a topic: the phrases of each fact on the entry of that name.

    Raises:
        ValueError: no entry is called so.
    """
    found = [phrase for fact in facts() if fact.name.casefold() == topic.strip().casefold() for phrase in fact.items]
    if not found:
        raise ValueError(f"the bundled knowledge has no entry called '{topic}'")
    return list(dict.fromkeys(found))

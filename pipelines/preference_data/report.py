"""The report on preference pairs: margins, what became of the prompts, the bias to longer answers, scores by kind, examples."""

from __future__ import annotations

import collections
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpora.curate.waterfall import Step
from corpora.page import percent, table, write_page
from corpora.records import Preference
from pipelines.config import PreferencesStage
from pipelines.preference_data.pairing import ALIKE
from pipelines.preference_data.scorers import Scored

PAGE = "preferences"
PICTURE = "preferences.png"


@dataclass(frozen=True)
class Answers:
    """What became of one prompt."""

    kind: str
    scores: list[float | None]
    lengths: list[int]  # tokens
    pairs: list[tuple[int, int]]  # chosen, rejected

    def scored(self) -> list[tuple[float, int]]:
        """Score and length of each answer that has a score."""
        return [(value, length) for value, length in zip(self.scores, self.lengths, strict=True) if value is not None]


def correlation(points: Sequence[tuple[float, float]]) -> float | None:
    """Pearson's, or None where one side does not vary."""
    if len(points) < 2:
        return None
    first, second = zip(*points, strict=True)
    try:
        return round(statistics.correlation(first, second), 3)
    except statistics.StatisticsError:
        return None


def within(answers: Sequence[Answers]) -> list[tuple[float, float]]:
    """Score and length of each answer, less the mean of its prompt's: what is left tells answers to one prompt apart."""
    found: list[tuple[float, float]] = []
    for one in answers:
        points = one.scored()
        if points:
            score = statistics.fmean(value for value, _ in points)
            length = statistics.fmean(tokens for _, tokens in points)
            found += [(value - score, tokens - length) for value, tokens in points]
    return found


def figures_of(answers: Sequence[Answers], step: Step, scored: Scored) -> dict[str, Any]:
    """The numbers of the report, for the manifest."""
    everything = [point for one in answers for point in one.scored()]
    scores = [value for value, _ in everything]
    margins = sorted(_margin(one, pair) for one in answers for pair in one.pairs)
    sides = [(one.lengths[a], one.lengths[b]) for one in answers for a, b in one.pairs]
    kinds: dict[str, list[Answers]] = collections.defaultdict(list)
    for one in answers:
        kinds[one.kind].append(one)
    return {
        "prompts": len(answers),
        "samples": sum(len(one.scores) for one in answers),
        "unscored": dict(scored.unscored.most_common()),
        "mean_score": round(statistics.fmean(scores), 4) if scores else None,
        "pairs": len(sides),
        "waterfall": [step.as_dict()],
        "ties": step.dropped[ALIKE],
        "margins": {
            "least": round(margins[0], 4),
            "median": round(statistics.median(margins), 4),
            "most": round(margins[-1], 4),
        }
        if margins
        else {},
        "length": {
            "chosen_longer": _share([a > b for a, b in sides]),
            "same_length": _share([a == b for a, b in sides]),
            "mean_chosen_tokens": round(statistics.fmean(a for a, _ in sides), 1) if sides else None,
            "mean_rejected_tokens": round(statistics.fmean(b for _, b in sides), 1) if sides else None,
            "score_and_length": correlation(everything),
            "score_and_length_within_prompts": correlation(within(answers)),
        },
        "kinds": {
            kind: {
                "prompts": len(ones),
                "mean_score": _mean([value for one in ones for value, _ in one.scored()]),
                "mean_best": _mean([max(value for value, _ in one.scored()) for one in ones if one.scored()]),
                "pairs": sum(len(one.pairs) for one in ones),
            }
            for kind, ones in sorted(kinds.items())
        },
    }


def _margin(one: Answers, pair: tuple[int, int]) -> float:
    chosen, rejected = (one.scores[place] for place in pair)
    assert chosen is not None
    assert rejected is not None
    return chosen - rejected


def _mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 4) if values else None


def _share(found: Sequence[bool]) -> float | None:
    return round(sum(found) / len(found), 4) if found else None


def draw(answers: Sequence[Answers], path: Path) -> None:
    """Histograms of margins and scores, and each answer's score over its length."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    points = [point for one in answers for point in one.scored()]
    figure, axes = pyplot.subplots(1, 3, figsize=(12.6, 3.4), layout="constrained")
    axes[0].hist([_margin(one, pair) for one in answers for pair in one.pairs], bins=24, color="#2a6f97")
    axes[0].set(title="margins of the pairs", xlabel="score of chosen less rejected", ylabel="pairs")
    axes[1].hist([value for value, _ in points], bins=24, color="#2a9d8f")
    axes[1].set(title="scores of all answers", xlabel="score", ylabel="answers")
    axes[2].scatter([length for _, length in points], [value for value, _ in points], s=6, alpha=0.4, color="#e07a1f")
    axes[2].set(title="score and length", xlabel="tokens of the answer", ylabel="score")
    for axis in axes:
        axis.grid(alpha=0.3)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def _said(value: float | None, share: bool = False) -> str:
    if value is None:
        return "none"
    return f"{percent(value)}%" if share else f"{value:g}"


def write_preferences_report(
    folder: Path,
    stage: PreferencesStage,
    answers: Sequence[Answers],
    step: Step,
    scored: Scored,
    pairs: Sequence[Preference],
) -> dict[str, Any]:
    """Writes ``preferences.md``, the same in HTML, and its picture; returns the figures for the manifest."""
    figures = figures_of(answers, step, scored)
    draw(answers, folder / PICTURE)
    length, margins = figures["length"], figures["margins"]
    told = [f"{count:,} {reason}" for reason, count in figures["unscored"].items()]
    lines = [
        "# Preference pairs",
        "",
        f"{figures['samples']:,} answers of `{stage.model}` to {figures['prompts']:,} prompts, scored by {stage.scorer.by}"
        f"{'; without a score: ' + '; '.join(told) if told else ''}. Mean score {_said(figures['mean_score'])}. "
        f"{figures['pairs']:,} pairs (`{stage.pairing.take}`, margin {stage.min_margin:g} or more).",
        "",
        f"![margins, scores, lengths]({PICTURE})",
        "",
        "## What became of the prompts",
        "",
        table(
            ["", "prompts"],
            [
                ["given", f"{step.received:,}"],
                *([reason, f"- {count:,}"] for reason, count in step.dropped.most_common()),
                ["with a pair", f"{step.kept:,}"],
            ],
        ),
        "",
        "## Margins",
        "",
        f"Least {_said(margins.get('least'))}, median {_said(margins.get('median'))}, most {_said(margins.get('most'))}. All answers of "
        f"{figures['ties']:,} prompts have one score.",
        "",
        "## Length",
        "",
        table(
            ["", ""],
            [
                ["pairs whose chosen answer is the longer", _said(length["chosen_longer"], share=True)],
                ["pairs of one length", _said(length["same_length"], share=True)],
                ["mean tokens of the chosen", _said(length["mean_chosen_tokens"])],
                ["mean tokens of the rejected", _said(length["mean_rejected_tokens"])],
                ["correlation of score and length, all answers", _said(length["score_and_length"])],
                ["the same, within a prompt's answers", _said(length["score_and_length_within_prompts"])],
            ],
        ),
        "",
        "Where far more than half of the chosen answers are longer, DPO learns length (Park et al. 2024, arXiv 2403.19159); `pairing: "
        "{max_length_ratio: …, near: …}` holds against it.",
        "",
        "## Scores by kind of prompt",
        "",
        table(
            ["kind", "prompts", "mean score", "mean of the best", "pairs"],
            [
                [kind, f"{one['prompts']:,}", _said(one["mean_score"]), _said(one["mean_best"]), f"{one['pairs']:,}"]
                for kind, one in figures["kinds"].items()
            ],
        ),
        "",
        "## Examples",
        "",
    ]
    for pair in pairs[:5]:
        rows = [
            ["chosen", f"{pair.meta['chosen_score']:g}", (pair.chosen or "")[:400]],
            ["rejected", f"{pair.meta['rejected_score']:g}", (pair.rejected or "")[:400]],
        ]
        lines += [f"**{pair.prompt[-1].content[:400]}**", "", table(["", "score", "answer"], rows), ""]
    write_page(folder, PAGE, "Preference pairs", lines)
    return figures

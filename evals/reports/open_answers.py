"""Open answers in the terminal's table and in the report: mean scores with what is missing, the parts, the judge, and answers to read."""

from __future__ import annotations

import heapq
from pathlib import Path

from corpora.page import percent, table
from evals.figures.results import Row, read_items
from evals.reports.cells import interval, plain, unparsed

HEAD = ["task", "n", "score, % (95%)", "ungraded, %", "unparsed, %", "empty, %"]
WORST = 5  # answers shown of each task


def rows(summaries: dict[str, Row]) -> list[list[str]]:
    """A row of ``HEAD`` for each task of open answers."""
    return [
        [
            name,
            f"{found['n']:,}",
            interval(found),
            percent(found["ungraded"]),
            unparsed(found),
            percent(found["empty"]),
        ]
        for name, found in summaries.items()
    ]


def told(found: Row) -> list[str]:
    """In words: what the score is, its parts, and what missing verdicts could change."""
    lines = [
        f"the score is: {found['open']}",
        *(f"{part['title']}: {_value(part)}" for part in found["parts"].values()),
    ]
    verdicts = found["verdicts"]
    missing = ", ".join(f"{verdicts[name]:,} {name}" for name in ("unparsed", "refused", "failed") if verdicts[name])
    if verdicts["n"] and found["ungraded"]:
        lines.append(
            f"of {verdicts['n']:,} verdicts {missing}: {found['n'] - found['graded']:,} answers have no score and are left out of the mean; over "
            f"all answers it lies between {percent(found['worst'])}% and {percent(found['best'])}%"
        )
    elif missing:
        lines.append(f"of {verdicts['n']:,} verdicts {missing}; the score does not need them")
    if found.get("similarity"):
        lines.append(f"similarity by {found['similarity']}")
    return lines


def judges(summaries: dict[str, Row]) -> list[str]:
    """What is known of the judges of these tasks, each said once; it stands before their scores."""
    return list(
        dict.fromkeys(line for found in summaries.values() if found["judge"] for line in _judge(found["judge"]))
    )


def _judge(judge: Row) -> list[str]:
    """Each kind of judgement with the judge's agreement with people, or plainly that it is unknown."""
    lines = []
    for kind, about in judge["kinds"].items():
        found = about["agreement"]
        name = f"judge {judge['model']}, {kind} (wording {about['prompt_sha256'][:12]})"
        if found is None:
            lines.append(
                f"{name}: its agreement with people is UNKNOWN, so that these scores say what this judge thinks and no more; measure it with "
                "`osler judge-agreement FILE`"
            )
            continue
        lines.append(f"{name}: {agreement(found)}")
    return lines


def agreement(found: Row) -> str:
    """The agreement of a judge with human labels, in words."""
    parts = [f"macro-F1 {_figure(found['macro_f1'])}, kappa {_figure(found['kappa'])}"]
    parts.append(f"against {found['pairs']:,} labels of {found['n']:,} judgements in {found['file']}")
    if humans := found.get("humans"):
        shown = [
            f"{name} " + ("undefined" if humans[key] is None else f"{humans[key]:.2f}")
            for name, key in (("macro-F1", "macro_f1"), ("kappa", "kappa"))
        ]
        parts.append(f"people among themselves: {', '.join(shown)}")
    parts.append(f"{found['unparsed']:,} of its verdicts unparsed")
    if "temperature" in found.get("not_taken", []):
        parts.append("asked without temperature, which it does not take, so that another measurement may differ")
    return "; ".join(parts)


def _figure(found: Row | None) -> str:
    return "undefined" if found is None else f"{found['value']:.2f} ({found['low']:.2f} to {found['high']:.2f})"


def _value(part: Row) -> str:
    if part["share"]:
        return f"{percent(part['value'])}% ({percent(part['low'])} to {percent(part['high'])}), n {part['n']:,}"
    return f"{part['value']:.2f} ({part['low']:.2f} to {part['high']:.2f}), n {part['n']:,}"


def overview(summaries: dict[str, Row]) -> list[str]:
    """The report's table of open answers; nothing where there are none."""
    if not summaries:
        return []
    shown = [[plain(name), *cells] for name, *cells in rows(summaries)]
    return [
        "## Open answers",
        "",
        *(f"- {plain(line)}" for line in judges(summaries)),
        "",
        table(HEAD, shown),
        "",
        "Ungraded: answers without a score since a judge's verdict is missing; they are left out of the mean. Unparsed: answers that state no number or "
        "date, and items that the server refused; they count as wrong.",
        "",
    ]


def details(folder: Path, found: Row, items: bool = True) -> list[str]:
    """What a task's section says beyond its title, with the answers that scored least unless no ``items`` are to be quoted."""
    lines = [*(f"- {plain(one)}" for one in told(found)), ""]
    if len(found["subjects"]) > 1:
        lines += ["### By subject", ""]
        lines += [
            table(
                ["subject", "n", "score, % (95% interval)"],
                [[plain(name), f"{one['n']:,}", interval(one)] for name, one in found["subjects"].items()],
            ),
            "",
        ]
    if not items:
        return lines
    scored = (
        (item["score"], place, item) for place, item in enumerate(read_items(folder)) if item["score"] is not None
    )
    worst = [one for one in heapq.nsmallest(WORST, scored, key=lambda one: one[:2]) if one[0] < 1]
    if worst:
        lines += ["### Answers that scored least", ""]
    for value, _, item in worst:
        lines += [f"**{plain(str(item['id']))}** ({percent(value)}%). {plain(str(item['question']))}", ""]
        lines += [f"Answer: {plain(str(item['text'] or '')) or '(nothing)'}", ""]
        for reference in item.get("references") or []:
            lines += [f"Reference: {plain(str(reference), 300)}", ""]
        lines += [f"- {_verdict(one)}" for one in (item.get("verdicts") or [])[:12]]
        lines += [""]
    return lines


def _verdict(one: Row) -> str:
    value = one["value"]
    said = (
        f"no verdict ({one['fault']})"
        if value is None
        else str(value)
        if not isinstance(value, bool)
        else "yes"
        if value
        else "no"
    )
    points = f" [{one['points']:g}]" if "points" in one else ""
    return f"{one['kind']}{points}: **{said}** {plain(str(one.get('text', '')), 200)}"

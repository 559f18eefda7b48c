"""A plan as HTML: whether it fits, how long it takes, the memory of each stage by part, and what to change."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from pipelines.board import charts, views
from pipelines.board.texts import Say

GIB = 2**30


def duration(say: Say, hours: float) -> str:
    """Hours as a person says them."""
    if hours >= 1:
        return say("hours", number=f"{hours:,.1f}")
    return (
        say("minutes", number=f"{60 * hours:,.1f}")
        if hours >= 1 / 60
        else say("seconds", number=f"{3600 * hours:,.0f}")
    )


def plan(say: Say, found: Mapping[str, Any], line: str) -> str:
    """A plan as `osler plan --json` gives it."""
    where = found["devices"]
    head = views.note(
        "good" if found["fits"] else "bad",
        say(
            "plan_fits" if found["fits"] else "plan_does_not_fit",
            where=say("this_machine") if where["kind"] == "cpu" else where["label"],
        ),
    )
    figures = [
        (say("time"), duration(say, found["hours"])),
        ("US$", f"{found['cost']:,.2f}"),
        (say("disk"), f"{found['disk'] / GIB:,.2f}"),
    ]
    parts = [
        head,
        '<div class="figures">'
        + "".join(f"<div><b>{value}</b>{escape(name)}</div>" for name, value in figures)
        + "</div>",
    ]
    rows = []
    for stage in found["stages"]:
        rows.append(
            [
                f"{stage['name']} ({stage['kind']})",
                f"{stage['parameters']:,}" if stage["parameters"] else "",
                f"{stage['trainable']:,}" if stage["trainable"] else "",
                f"{stage['tokens']:,.0f}" if stage["tokens"] else "",
                f"{stage['steps']:,}" if stage["steps"] else "",
                duration(say, stage["hours"]) if stage["hours"] else "",
            ]
        )
    heads = [say("stage"), say("parameters"), say("trained"), say("tokens"), say("steps"), say("time")]
    parts.append(views.table(heads, rows, numbers=range(1, 6)))
    parts.append(f"<h4>{say('memory_gpu' if where['kind'] == 'gpu' else 'memory_here')}</h4>")
    for stage in found["stages"]:
        if stage["memory"] is None:
            continue
        sizes = {name: size / GIB for name, size in stage["memory"]["parts"].items()}
        parts.append(
            f"<div class=part><b>{escape(stage['name'])}</b> <span class={'good' if stage['fits'] else 'bad'}>{escape(stage['verdict'])}</span>"
            f"{charts.bars(sizes, stage['usable'] / GIB)}"
        )
        remedies = "".join(f"<li>{escape(remedy)}</li>" for remedy in stage["remedies"])
        parts.append(f"<p>{say('remedies')}</p><ul>{remedies}</ul></div>" if remedies else "</div>")
    notes = dict.fromkeys(one for stage in found["stages"] for one in stage["notes"])
    listed = "".join(f"<li>{escape(one)}</li>" for one in [*notes, f"{where['name']}: {where['source']}"])
    parts.append(f"<details><summary>{say('assumed')}</summary><ul>{listed}</ul></details>")
    return "".join(parts) + views.command(say, line)

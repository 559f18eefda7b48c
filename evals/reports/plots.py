"""Plots of a report as SVG: readable at a phone's width, in light and dark, and without a library's version in the file."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.reports.cells import plain

WIDTH = 420  # units of the drawing, near a phone's width in pixels, so that its letters are not shrunk there
_LABEL = 156  # for the names on the left
_RIGHT = 14
_ROW = 26

# In the drawing itself, so that it follows the reader's theme on a page and as a file.
_STYLE = """<style>
.p text{font:12px system-ui,sans-serif;fill:#44515f}.p .v{fill:#1c2733}.p .g{stroke:#dbe2ea}.p .w{stroke:#2a6f97;stroke-width:2}
.p .d{fill:#2a6f97}.p .c{stroke:#b4532a;stroke-width:2}.p .k{fill:#b4532a}.p .i{stroke:#8795a4;stroke-dasharray:4 4;fill:none}
@media (prefers-color-scheme:dark){.p text{fill:#a9b6c4}.p .v{fill:#e4eaf0}.p .g{stroke:#33404d}.p .w{stroke:#6fb7e0}.p .d{fill:#6fb7e0}
.p .c{stroke:#e99a72}.p .k{fill:#e99a72}}
</style>"""


@dataclass(frozen=True)
class Dot:
    """A share with its interval, and the share by chance if it is to be marked."""

    label: str
    value: float
    low: float
    high: float
    chance: float | None = None


def _svg(height: float, title: str, body: Sequence[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="p" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{html.escape(title)}">'
        f"<title>{html.escape(title)}</title>{_STYLE}{''.join(body)}</svg>\n"
    )


def _short(text: str, most: int = 19) -> str:
    return html.escape(text if len(text) <= most else text[: most - 1].rstrip() + "…")


def dots(rows: Sequence[Dot], title: str) -> str:
    """A row for each share: a dot, its interval as a line, and a short upright line at chance."""
    left, right = _LABEL, WIDTH - _RIGHT - 36

    def at(share: float) -> float:
        return left + share * (right - left)

    bottom = 8 + _ROW * len(rows)
    body = []
    for tick in range(0, 101, 25):
        body.append(f'<line class="g" x1="{at(tick / 100):.1f}" x2="{at(tick / 100):.1f}" y1="4" y2="{bottom}"/>')
        body.append(f'<text x="{at(tick / 100):.1f}" y="{bottom + 15}" text-anchor="middle">{tick}</text>')
    for number, row in enumerate(rows):
        y = 8 + _ROW * (number + 0.5)
        body.append(
            f'<text class="v" x="{left - 8}" y="{y + 4}" text-anchor="end">{_short(row.label)}<title>{html.escape(row.label)}</title></text>'
        )
        if row.chance is not None:
            x = at(row.chance)
            body.append(f'<line class="c" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 8:g}" y2="{y + 8:g}"/>')
        body.append(f'<line class="w" x1="{at(row.low):.1f}" x2="{at(row.high):.1f}" y1="{y:g}" y2="{y:g}"/>')
        body.append(f'<circle class="d" cx="{at(row.value):.1f}" cy="{y:g}" r="4.5"/>')
        body.append(f'<text class="v" x="{WIDTH - 6}" y="{y + 4}" text-anchor="end">{100 * row.value:.1f}</text>')
    chance = '; <tspan class="k">| chance</tspan>' if any(row.chance is not None for row in rows) else ""
    body.append(
        f'<text x="{(left + right) / 2}" y="{bottom + 33}" text-anchor="middle">% (line: 95% interval{chance})</text>'
    )
    return _svg(bottom + 40, title, body)


def reliability(points: Sequence[dict[str, Any]], title: str) -> str:
    """Share of right answers against confidence, in bins of equal number; the broken line is a calibrated model's."""
    left, top, size = 52, 10, 300

    def across(share: float) -> float:
        return left + share * size

    def down(share: float) -> float:
        return top + (1 - share) * size

    body = []
    for tick in range(0, 101, 25):
        x, y = across(tick / 100), down(tick / 100)
        body += [
            f'<line class="g" x1="{x:g}" x2="{x:g}" y1="{top}" y2="{top + size}"/>',
            f'<line class="g" x1="{left}" x2="{left + size}" y1="{y:g}" y2="{y:g}"/>',
            f'<text x="{x:g}" y="{top + size + 16}" text-anchor="middle">{tick}</text>',
            f'<text x="{left - 6}" y="{y + 4:g}" text-anchor="end">{tick}</text>',
        ]
    body.append(f'<line class="i" x1="{across(0):g}" y1="{down(0):g}" x2="{across(1):g}" y2="{down(1):g}"/>')
    for point in points:
        x, y = across(point["confidence"]), down(point["accuracy"])
        body.append(
            f'<line class="c" x1="{x:.1f}" x2="{x:.1f}" y1="{down(point["confidence"]):.1f}" y2="{y:.1f}" stroke-opacity=".45"/>'
        )
        body.append(f'<circle class="d" cx="{x:.1f}" cy="{y:.1f}" r="5"><title>{point["n"]} items</title></circle>')
    body.append(f'<text x="{left + size / 2:g}" y="{top + size + 36}" text-anchor="middle">mean confidence, %</text>')
    middle = top + size / 2
    body.append(
        f'<text x="14" y="{middle:g}" text-anchor="middle" transform="rotate(-90 14 {middle:g})">right, %</text>'
    )
    return _svg(top + size + 44, title, body)


def picture(out: Path, name: str, drawing: str, shows: str) -> list[str]:
    """Writes a drawing to the page's folder ``out``; returns the lines of Markdown that show it."""
    file = re.sub(r"[^\w.-]+", "-", name) + ".svg"
    (out / file).write_text(drawing, encoding="utf-8")
    return [f"![{plain(shows)}]({file})", ""]

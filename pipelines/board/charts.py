"""Line charts and bars as SVG, which a page shows without a script and a narrow screen without a scroll bar."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping

from pipelines.board.curves import Points

WIDTH, HEIGHT = 520, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 10, 12, 28
# Okabe and Ito (2008): told apart with any kind of colour vision.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#999999", "#b8a800")


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers from ``low`` to ``high``."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 5, 10) if size * times >= rough)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def short(value: float) -> str:
    """A number of few letters."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e9:
        return f"{value / 1e9:.4g}G"
    if size >= 1e6:
        return f"{value / 1e6:.4g}M"
    if size >= 1e4:
        return f"{value / 1e3:.4g}k"
    return f"{value:.4g}" if size >= 1e-3 else f"{value:.1e}".replace("e-0", "e-")


def line_chart(title: str, lines: Mapping[str, Points], step_word: str = "step") -> str:
    """One chart; each of ``lines`` has a colour, and a name below the chart where there are several."""
    lines = {name: points for name, points in lines.items() if points}
    if not lines:
        return ""
    steps = [step for points in lines.values() for step, _ in points]
    values = [value for points in lines.values() for _, value in points]
    left, right, low, high = min(steps), max(steps), min(values), max(values)
    if high == low:
        low, high = low - (abs(low) or 1) / 10, high + (abs(high) or 1) / 10
    else:
        low, high = low - (high - low) / 20, high + (high - low) / 20
    right = right if right > left else left + 1

    def x(step: float) -> float:
        return LEFT + (step - left) / (right - left) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    drawn = []
    for tick in ticks(low, high):
        drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        drawn.append(f'<text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" text-anchor="end">{short(tick)}</text>')
    for tick in ticks(left, right, 6):
        if tick == int(tick):
            drawn.append(f'<text x="{x(tick):.1f}" y="{HEIGHT - 8}" text-anchor="middle">{short(tick)}</text>')
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x(step):.1f},{y(value):.1f}" for step, value in points)
        drawn.append(
            f'<polyline data-points="{len(points)}" points="{path}" stroke="{colour}"><title>{html.escape(name)}</title></polyline>'
        )
        drawn.append(f'<circle cx="{x(points[-1][0]):.1f}" cy="{y(points[-1][1]):.1f}" r="3.5" fill="{colour}"/>')
    said = "; ".join(f"{name}: {short(points[-1][1])} ({step_word} {points[-1][0]})" for name, points in lines.items())
    keys = "".join(
        f'<span><i style="background:{COLOURS[number % len(COLOURS)]}"></i>{html.escape(name)} <b>{short(points[-1][1])}</b></span>'
        for number, (name, points) in enumerate(lines.items())
    )
    return (
        f'<figure class="chart" data-chart="{html.escape(title)}"><figcaption>{html.escape(title)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(f"{title}. {said}")}">{"".join(drawn)}</svg>'
        f'<div class="keys">{keys}</div></figure>'
    )


def bars(parts: Mapping[str, float], whole: float) -> str:
    """Parts of a whole side by side, as those of a memory; what goes beyond the whole makes the bar longer than its frame."""
    total = sum(parts.values())
    scale = max(whole, total) or 1.0
    pieces = "".join(
        f'<i style="width:{100 * value / scale:.2f}%;background:{COLOURS[number % len(COLOURS)]}" title="{html.escape(name)}: {value:,.2f} GiB"></i>'
        for number, (name, value) in enumerate(parts.items())
    )
    keys = "".join(
        f'<span><i style="background:{COLOURS[number % len(COLOURS)]}"></i>{html.escape(name)} <b>{value:,.2f}</b></span>'
        for number, (name, value) in enumerate(parts.items())
        if value >= 0.005
    )
    return f'<div class="bar"><div style="width:{100 * whole / scale:.2f}%"></div>{pieces}</div><div class="keys">{keys}</div>'

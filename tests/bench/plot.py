"""The plot: deliveries a second by number of readers, for each server, as SVG that reads well on light and on dark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

from tests.bench.peers import GCHAT
from tests.bench.run import Run
from tests.bench.tables import groups, median, rate

WIDTH, HEIGHT = 860, 470
LEFT, RIGHT, TOP, BOTTOM = 70, 190, 78, 56

#: Of middling brightness, so that they stand out from white and from black; told apart by the colour-blind.
COLOURS = ("#1f8fe0", "#8a8f98", "#d9791a", "#2aa25e", "#b965cf", "#d8534f", "#9a8a1f", "#3aa6a6")
INK = "#80868f"

#: From one name at the right to the next, at least.
LABEL = 18

STYLE = f"""<style>
text {{ font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: {INK}; }}
.title {{ font-size: 16px; font-weight: 600; }}
.label {{ font-weight: 600; }}
.grid {{ stroke: {INK}; stroke-opacity: .25; }}
.leader {{ stroke-opacity: .7; stroke-dasharray: 1 3; fill: none; }}
.line {{ stroke-width: 2.5; fill: none; stroke-linejoin: round; stroke-linecap: round; }}
.first {{ stroke-width: 4; }}
</style>"""


@dataclass(slots=True)
class Series:
    """A server's points, (readers, deliveries/s), from left to right."""

    name: str
    points: list[tuple[float, float]]
    colour: str


class Axes:
    """Where things are, in pixels; both axes are logarithmic."""

    def __init__(self, series: list[Series]) -> None:
        points = [point for one in series for point in one.points]
        self.sizes = sorted({x for x, _ in points})
        least, most = min(y for _, y in points), max(y for _, y in points)
        ticks = [digit * 10.0**power for power in range(9) for digit in (1, 2, 5)]
        low, high = max(tick for tick in ticks if tick <= least), min(tick for tick in ticks if tick > most)
        self.ticks = [tick for tick in ticks if low <= tick <= high]
        self._span = math.log(self.sizes[-1] / self.sizes[0]) or 1.0

    def x(self, readers: float) -> float:
        """From the left."""
        return LEFT + 14 + (WIDTH - LEFT - RIGHT - 28) * math.log(readers / self.sizes[0]) / self._span

    def y(self, rate: float) -> float:
        """From the top."""
        low, high = self.ticks[0], self.ticks[-1]
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(rate / low) / math.log(high / low)


def svg(runs: list[Run]) -> str:
    """Return the plot of all fan-out runs."""
    found: dict[str, list[tuple[float, float]]] = {}
    for server, clients, together in groups(run for run in runs if run.case == "fanout"):
        value = median(together, "deliveries_per_s")
        if value:
            found.setdefault(server, []).append((clients, value))
    series = [Series(name, points, COLOURS[n % len(COLOURS)]) for n, (name, points) in enumerate(found.items())]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    title = "Deliveries a second, by number of readers"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">\n{STYLE}\n'
    body = [f'<text class="title" x="{LEFT}" y="26">{title}</text>']
    if series:
        axes = Axes(series)
        body += [
            *_legend(series),
            *_grid(axes),
            *(part for one in reversed(series) for part in _line(axes, one)),
        ]
        body += _labels(axes, series)
    else:
        body.append(f'<text x="{LEFT}" y="{TOP}">The fan-out was not measured</text>')
    return head + "\n".join(body) + "\n</svg>\n"


def _legend(series: list[Series]) -> list[str]:
    parts, x = [], float(LEFT)
    for one in series:
        parts.append(f'<circle cx="{x + 5:.0f}" cy="46" r="5" fill="{one.colour}"/>')
        parts.append(f'<text x="{x + 15:.0f}" y="50.5">{escape(one.name)}</text>')
        x += 40 + 6.7 * len(one.name)
    return parts


def _grid(axes: Axes) -> list[str]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for tick in axes.ticks:
        y = axes.y(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4.5:.1f}" text-anchor="end">{_round(tick)}</text>')
    for size in axes.sizes:
        x = axes.x(size)
        parts.append(f'<path class="grid" d="M{x:.1f} {TOP}V{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 20}" text-anchor="middle">{size:,.0f}</text>')
    middle = (LEFT + right) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - 12}" text-anchor="middle">readers (both scales logarithmic)</text>'
    )
    return parts


def _line(axes: Axes, one: Series) -> list[str]:
    points = [(axes.x(x), axes.y(y)) for x, y in one.points]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    first = " first" if one.name == GCHAT.name else ""
    dots = [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{5 if first else 4}" fill="{one.colour}">'
        f"<title>{escape(one.name)}, {readers:,.0f} readers: {rate(value)}/s</title></circle>"
        for (x, y), (readers, value) in zip(points, one.points, strict=True)
    ]
    return [f'<path class="line{first}" stroke="{one.colour}" d="{path}"/>', *dots]


def _labels(axes: Axes, series: list[Series]) -> list[str]:
    """Names at the right, at the height of each last point, but never over one another."""
    ordered = sorted(series, key=lambda one: axes.y(one.points[-1][1]))
    heights = [axes.y(one.points[-1][1]) for one in ordered]
    for _ in range(200):  # those too close push each other away
        for place in range(1, len(heights)):
            close = LABEL - (heights[place] - heights[place - 1])
            if close > 0:
                heights[place - 1] -= close / 2
                heights[place] += close / 2
    parts = []
    for one, height in zip(ordered, heights, strict=True):
        readers, value = one.points[-1]
        x, y, at = axes.x(readers), axes.y(value), WIDTH - RIGHT + 12
        parts.append(f'<path class="leader" stroke="{one.colour}" d="M{x + 6:.1f} {y:.1f}L{at - 4} {height:.1f}"/>')
        text = f"{escape(one.name)}  {rate(value)}"
        parts.append(f'<text class="label" x="{at}" y="{height + 4.5:.1f}" style="fill:{one.colour}">{text}</text>')
    return parts


def _round(value: float) -> str:
    return rate(value).replace(".00", "").replace(".0", "")

"""An SVG of a few elements: the share of the fleet that is current, over time, with one line per policy."""

import math
from collections.abc import Sequence
from xml.sax.saxutils import escape

from benchmarks.cascade.fleet import HOUR
from benchmarks.cascade.models import Run

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 150, 40, 50
_POINTS = 200  # points of one line
_COLOURS = ("#1a7f37", "#9a6700", "#cf222e", "#8250df", "#0969da")


def svg(title: str, runs: Sequence[Run], bound: float) -> str:
    """A plot with a logarithmic axis of hours since the release. The dashed line is the lower bound."""
    last = max(max(run.makespan for run in runs), bound) / HOUR
    low, high = -1, max(0, math.ceil(math.log10(last)))
    across, down = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def x_of(seconds: float) -> float:
        power = math.log10(max(seconds / HOUR, 10**low))
        return _LEFT + across * (power - low) / (high - low)

    def y_of(share: float) -> float:
        return _TOP + down * (1 - share)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
    ]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = y_of(share)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_LEFT + across}" stroke="#ddd"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
    for power in range(low, high + 1):
        x = x_of(10**power * HOUR)
        parts.append(f'<path d="M{x:.1f} {_TOP}V{_TOP + down}" stroke="#ddd"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{_TOP + down + 18}" text-anchor="middle">{10.0**power:g} h</text>'
        )
    x = x_of(bound)
    parts.append(f'<path d="M{x:.1f} {_TOP}V{_TOP + down}" stroke="#555" stroke-dasharray="4 4"/>')
    parts.append(f'<text x="{x:.1f}" y="{_TOP - 5}" text-anchor="middle" fill="#555">lower bound</text>')
    for number, run in enumerate(runs):
        colour = _COLOURS[number % len(_COLOURS)]
        points = " ".join(f"{x_of(when):.1f},{y_of(share):.1f}" for when, share in _steps(run))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = _TOP + 20 * number + 8
        parts.append(
            f'<path d="M{_LEFT + across + 16} {y}h18" stroke="{colour}" stroke-width="3"/>'
            f'<text x="{_LEFT + across + 40}" y="{y + 4}">{escape(run.policy)}</text>'
        )
    axis = f'<text x="{_LEFT + across / 2:.0f}" y="{_HEIGHT - 10}" text-anchor="middle">'
    parts.append(f"{axis}time since the release</text></svg>")
    return "\n".join(parts) + "\n"


def _steps(run: Run) -> list[tuple[float, float]]:
    """Moments with the share of the fleet that is current then, evenly spread over the images."""
    ordered = sorted(run.published)
    stride = max(1, len(ordered) // _POINTS)
    places = sorted({*range(0, len(ordered), stride), len(ordered) - 1})
    return [(ordered[0], 0.0), *((ordered[place], (place + 1) / len(ordered)) for place in places)]

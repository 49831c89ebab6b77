"""Curves as an SVG drawing, by hand: panels below each other, each with its own axes."""

from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH: Final = 1000
_LEFT, _RIGHT, _TOP, _HEIGHT, _GAP = 64, 200, 56, 230, 70
_FONT: Final = 'font-family="system-ui, sans-serif"'


@dataclass(frozen=True, slots=True)
class Curve:
    """`points`: (x, y) in the units of the panel; drawn over those before it."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]
    width: float = 1.6


@dataclass(frozen=True, slots=True)
class Panel:
    """`bands`: (low, high, colour); `marks`: horizontal lines (y, text)."""

    title: str
    x_label: str
    y_label: str
    x: tuple[float, float, float]  # from, to, step of the grid
    y: tuple[float, float, float]
    curves: Sequence[Curve]
    bands: Sequence[tuple[float, float, str]] = ()
    marks: Sequence[tuple[float, str]] = field(default_factory=tuple)


def draw(title: str, panels: Sequence[Panel]) -> str:
    """The whole drawing as text."""
    height = _TOP + len(panels) * (_HEIGHT + _GAP)
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 26, title, size=17, weight="600"),
    ]
    for number, panel in enumerate(panels):
        body += _panel(panel, number, _TOP + number * (_HEIGHT + _GAP) + 14)
    return "\n".join([*body, "</svg>", ""])


def _panel(panel: Panel, number: int, top: float) -> list[str]:
    (x0, x1, x_step), (y0, y1, y_step) = panel.x, panel.y
    width = WIDTH - _LEFT - _RIGHT
    bottom = top + _HEIGHT

    def across(x: float) -> float:
        return _LEFT + (x - x0) / (x1 - x0) * width

    def down(y: float) -> float:
        return bottom - (y - y0) / (y1 - y0) * _HEIGHT

    area = f'x="{_LEFT}" y="{top}" width="{width}" height="{_HEIGHT}"'
    drawn = [
        f'<clipPath id="c{number}"><rect {area}/></clipPath>',
        _text(_LEFT, top - 10, panel.title, size=13, weight="600"),
    ]
    for low, high, colour in panel.bands:
        drawn.append(
            f'<rect x="{_LEFT}" y="{down(high):.1f}" width="{width}" '
            f'height="{down(low) - down(high):.1f}" fill="{colour}"/>'
        )
    for step in range(round((x1 - x0) / x_step) + 1):
        x = x0 + step * x_step
        drawn.append(_line(across(x), top, across(x), bottom, "#e3e6ea"))
        drawn.append(_text(across(x), bottom + 16, f"{x:g}", anchor="middle"))
    for step in range(round((y1 - y0) / y_step) + 1):
        y = y0 + step * y_step
        drawn.append(_line(_LEFT, down(y), _LEFT + width, down(y), "#e3e6ea"))
        drawn.append(_text(_LEFT - 8, down(y) + 4, f"{y:g}", anchor="end"))
    for y, text in panel.marks:
        drawn.append(_line(_LEFT, down(y), _LEFT + width, down(y), "#59616b", dash="5 4"))
        drawn.append(_text(_LEFT + 6, down(y) - 4, text, colour="#59616b"))
    for place, curve in enumerate(panel.curves):
        line = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in curve.points)
        drawn.append(
            f'<polyline clip-path="url(#c{number})" fill="none" stroke="{curve.colour}" '
            f'stroke-width="{curve.width}" stroke-linejoin="round" points="{line}"/>'
        )
        key, right = top + 12 + place * 20, _LEFT + width + 14
        drawn.append(_line(right, key, right + 20, key, curve.colour, width=3))
        drawn.append(_text(right + 26, key + 4, curve.name))
    label = _text(0, 0, panel.y_label, anchor="middle")
    drawn += [
        _text(_LEFT + width / 2, bottom + 34, panel.x_label, anchor="middle"),
        f'<g transform="translate(18 {top + _HEIGHT / 2}) rotate(-90)">{label}</g>',
    ]
    return drawn


def _line(
    x1: float, y1: float, x2: float, y2: float, colour: str, *, width: float = 1, dash: str = ""
) -> str:
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-width="{width}"' + (f' stroke-dasharray="{dash}"' if dash else "") + "/>"
    )


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 12,
    anchor: str = "start",
    weight: str = "400",
    colour: str = "#1f2328",
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" {_FONT} font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'
    )

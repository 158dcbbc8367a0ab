"""Figures that can be printed and put in a page.

A figure is drawn by a function of its width, so that a narrow window gets one of its own
instead of small print. In the page its colours follow the page's, light or dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from proxmo.files import whole

WIDE, NARROW = 8.0, 4.2
"""Widths in inches, of 72 pixels in a page."""

# Okabe and Ito's palette, without its black and yellow: told apart by every kind of colour
# vision, on light ground and on dark.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C8C8C")
_USUAL_LINES, _LINE = 2, 0.2
"""Lines of a legend that a canvas has room for, and the height of one more in inches."""
STYLES = ("-", "--", ":")
MARKERS = "osD^vP"
# Stand-ins that a page replaces by its own colours.
INK, GRID, SHADE = "#30343a", "#d9dbdf", "#b9bec6"

Drawing = Callable[[float], Canvas]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure and what it says."""

    name: str
    title: str
    caption: str
    draw: Drawing
    """Width in inches -> the drawing."""
    broad: bool = False
    """Whether a page gives it its whole width."""

    def save(self, folder: Path) -> None:
        """Write it as PNG and SVG."""
        canvas = self.draw(WIDE)
        for suffix in ("png", "svg"):
            with whole(folder / f"{self.name}.{suffix}") as path, _drawing(self.name):
                canvas.savefig(path, format=suffix, dpi=150)

    def inline(self, width: float) -> str:
        """The SVG element for a page, in the page's colours."""
        stream = io.StringIO()
        name = f"{self.name}-{width:g}"
        with _drawing(name):
            canvas = self.draw(width)
            canvas.savefig(stream, format="svg", transparent=True)
        return _for_page(stream.getvalue(), f"{self.title}. {self.caption}")


def line_style(place: int) -> dict[str, Any]:
    """Colour, dashes and marker of the line in that place: it is known by any one of them."""
    return {
        "color": COLOURS[place % len(COLOURS)],
        "linestyle": STYLES[place // len(COLOURS) % len(STYLES)],
        "marker": MARKERS[place % len(MARKERS)],
    }


def one_axes(width: float, ratio: float) -> tuple[Canvas, Axes]:
    """A canvas with one pair of axes, `ratio` times as high as it is wide."""
    canvas = blank_canvas(width, width * ratio)
    axes = canvas.add_subplot()
    plain_axes(axes)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    return canvas, axes


def blank_canvas(width: float, height: float) -> Canvas:
    """A canvas of so many inches, for axes of any number."""
    canvas = Canvas(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(canvas)  # draws without a display, whatever backend the user has set
    return canvas


def plain_axes(axes: Axes) -> None:
    """Axes without a frame, in colours that a page replaces."""
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.tick_params(colors=INK, labelsize=9, color=GRID)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)


def outer_legend(canvas: Canvas, axes: Axes, entries: int, width: float) -> None:
    """The legend of one pair of axes, above them all, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    lines = [line for label in labels for line in str(label).split("\n")]
    longest = max(map(len, lines), default=0)
    columns = max(1, min(entries, int(width / (0.45 + 0.08 * longest))))
    # What a long legend takes is added, and not taken from the axes.
    over = -(-len(lines) // columns) - _USUAL_LINES
    canvas.set_figheight(canvas.get_figheight() + max(over, 0) * _LINE)
    canvas.legend(
        handles,
        labels,
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handlelength=1.8,
    )


def _drawing(name: str) -> mpl.rc_context:  # type: ignore[name-defined]
    """Text stays text; ids of an SVG differ from those of any other in the page."""
    return mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name, "font.size": 10})


def _for_page(svg: str, told: str) -> str:
    """An SVG file as an element of a page."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    for colour, name in ((INK, "ink"), (GRID, "line"), (SHADE, "shade")):
        svg = svg.replace(colour, f"var(--{name})")
    svg = re.sub(r"font: (\d+(?:\.\d+)?px) [^;\"]*", r"font: \1 system-ui, sans-serif", svg)
    # Only ids that something refers to: others, as "axes_1", would be in the page many times.
    used = set(re.findall(r"(?:#|url\(#)([\w-]+)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda m: m[0] if m[1] in used else "", svg)
    head, rest = svg.split(">", 1)
    head = re.sub(r' (width|height|version|xmlns(:xlink)?)="[^"]*"', "", head)
    return (
        f'{head} xmlns="http://www.w3.org/2000/svg" '
        f'xmlns:xlink="http://www.w3.org/1999/xlink" role="img" aria-label="{escape(told)}">{rest}'
    )

# SPDX-License-Identifier: Apache-2.0
"""Colours, words and small pieces that the figures of patients share."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing

from exo_bringup.exo_report.figure import DPI, INK, LINE, STYLE
from exo_sim.evaluation.exo.conditions import LEARNED, NO_DEVICE, UNPOWERED
from exo_sim.evaluation.impaired.walk import PERSONALISED, PRACTISED
from exo_sim.measurement import Figure

HEALTHY = "healthy"
#: Okabe and Ito's palette: told apart with any kind of colour vision.
COLOURS = {
    HEALTHY: "#009E73",
    NO_DEVICE: "#0072B2",
    UNPOWERED: "#0072B2",
    PRACTISED: "#56B4E9",
    LEARNED: "#D55E00",
    PERSONALISED: "#CC79A7",
}
TITLES = {
    HEALTHY: "healthy self",
    NO_DEVICE: "no device",
    UNPOWERED: "device unpowered",
    PRACTISED: "unpowered, practised",
    LEARNED: "policy for everybody",
    PERSONALISED: "personalised policy",
}
#: By leg: solid for the affected one.
DASHES = {"affected": "-", "other": (0, (4, 2))}
SIDE_NAMES = {"r": "right", "l": "left"}
BAND = "#DDDDDD"


def write_drawing(compose: Callable[[], Drawing], stem: Path) -> tuple[list[Path], str]:
    """Draw once and write stem.svg and stem.png; returns their paths and the figure as an <svg> element.

    Raises:
        OSError: they cannot be written.
    """
    with matplotlib.rc_context(STYLE):
        drawing = compose()
        stream = io.StringIO()
        drawing.savefig(stream, format="svg", metadata={"Date": None, "Creator": "exo_gait"})
        picture, vector = stem.with_suffix(".png"), stem.with_suffix(".svg")
        stem.parent.mkdir(parents=True, exist_ok=True)
        vector.write_text(stream.getvalue(), encoding="utf-8")
        drawing.savefig(picture, dpi=DPI, metadata={"Software": "exo_gait"})
    text = stream.getvalue()
    return [vector, picture], text[text.index("<svg") :]


def error_bar(axes: Axes, x: float, figure: Figure, colour: str = INK) -> float:
    """The interval of a figure, where it has one; returns the highest point drawn."""
    if figure.interval is None or not all(map(math.isfinite, figure.interval)):
        return figure.value
    low, high = figure.interval
    axes.errorbar(
        x,
        figure.value,
        [[max(figure.value - low, 0.0)], [max(high - figure.value, 0.0)]],
        color=colour,
        lw=0.9,
        capsize=2,
    )
    return high


def words(axes: Axes, text: str) -> None:
    """In the middle of an empty panel."""
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=LINE)


def minus(text: str) -> str:
    """With a minus sign for people."""
    return text.replace("-", "\N{MINUS SIGN}")


def counted(number: float, thing: str) -> str:
    """So many of a thing: "1 walk", "3 walks"."""
    return f"{number:.0f} {thing}{'' if number == 1 else 's'}"

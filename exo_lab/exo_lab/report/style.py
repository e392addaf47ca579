# SPDX-License-Identifier: Apache-2.0
"""One look for every figure: palette, line styles, matplotlib's settings, and numbers as people write them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib

#: Okabe and Ito's palette: told apart with any kind of colour vision.
BLUE, VERMILION, ORANGE, GREEN, SKY, PURPLE = "#0072B2", "#D55E00", "#E69F00", "#009E73", "#56B4E9", "#CC79A7"
#: Conditions of a run.
COLOURS = {"unassisted": BLUE, "assisted": VERMILION}
OTHER_COLOUR = PURPLE
#: Conditions of a study of a device, and what a legend calls them.
STUDY_COLOURS = {
    "healthy": GREEN,
    "no_device": "#777777",
    "unpowered": BLUE,
    "practised": SKY,
    "spline": ORANGE,
    "learned": VERMILION,
    "personalised": PURPLE,
}
STUDY_TITLES = {
    "healthy": "healthy self",
    "no_device": "no device",
    "unpowered": "device unpowered",
    "practised": "unpowered, practised",
    "spline": "published profiles",
    "learned": "learned policy",
    "personalised": "personalised policy",
}
#: The simulated walker, and a second metabolic model beside the first.
WALKER, SECOND = BLUE, VERMILION
NORM_BAND, NORM_LINE = "#DDDDDD", "#888888"
INK, FAINT_INK, RULE = "#222222", "#666666", "#BBBBBB"
MET, MISSED = "#00674A", "#A83A00"
TARGET_BAND = "#E4EFE9"
#: Line style by side.
DASHES: dict[str, str | tuple] = {"r": "-", "l": (0, (4, 2))}
SIDE_NAMES = {"r": "right", "l": "left"}
#: The norm was measured on typically developing children and adolescents, whoever walks beside it.
NORM_WORDS = "typically developing children and adolescents, mean \N{PLUS-MINUS SIGN} SD (Schwartz et al. 2008)"
#: Colour maps of Brewer (2013), colour-blind safe and ordered in grey print: amounts, and differences.
SEQUENTIAL, DIVERGING = "YlGnBu", "PuOr_r"
STRIDE_LABEL = "stride (%)"
STRIDE_TICKS = (0, 20, 40, 60, 80, 100)

_SETTINGS = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": FAINT_INK,
    "axes.unicode_minus": True,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.hashsalt": "exo_gait",  # the same figure is the same file
    "svg.fonttype": "none",  # text stays text: it can be searched, and files stay small
}
DPI = 150
PNG_METADATA = {"Software": "exo_gait"}


@contextmanager
def figure_style() -> Iterator[None]:
    """Draws with the project's settings alone: whatever the user's matplotlibrc says does not reach a report."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def shown(value: float | None, digits: int = 2, sign: bool = False) -> str:
    """A value for people: a minus sign instead of a hyphen, a dash where it is not known."""
    if value is None or not math.isfinite(value):
        return "\N{EN DASH}"
    return minus(f"{value:+.{digits}f}" if sign else f"{value:.{digits}f}")


def minus(text: str) -> str:
    """Text with minus signs for people."""
    return text.replace("-", "\N{MINUS SIGN}")


def counted(number: float, thing: str) -> str:
    """So many of a thing: "1 walk", "3 walks"."""
    return f"{number:.0f} {thing}{'' if number == 1 else 's'}"


def condition_colour(condition: str) -> str:
    """Colour of a run's condition."""
    return COLOURS.get(condition, OTHER_COLOUR)

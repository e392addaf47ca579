# SPDX-License-Identifier: Apache-2.0
"""Colours and sizes of a report of the walker."""

from __future__ import annotations

from exo_bringup.html_report import svg
from exo_bringup.html_report.style import DASHES, INK, NORM_BAND, NORM_LINE, SIDE_NAMES

#: Okabe and Ito's palette, told apart with any kind of colour vision.
WALKER, SECOND = "#0072B2", "#D55E00"
WIDE = 1010.0
SPREAD_OPACITY = 0.15
NORM_WORDS = "able-bodied people, mean \N{PLUS-MINUS SIGN} SD (Schwartz et al. 2008) at the same speed"


def legend(entries: list[tuple[str, str]]) -> str:
    """HTML: swatches (SVG of 26 by 10) and what they mean."""
    items = "".join(
        f'<span><svg width="26" height="10" viewBox="0 0 26 10" aria-hidden="true">{swatch}</svg>{words}</span>'
        for swatch, words in entries
    )
    return f'<div class="legend">{items}</div>'


def norm_swatch() -> str:
    """Band and line of the norm."""
    return svg.rectangle(0, 0, 26, 10, NORM_BAND) + svg.line(0, 5, 26, 5, NORM_LINE)


def curve_legend() -> str:
    """Both legs and the norm."""
    sides = [
        (svg.line(0, 5, 26, 5, WALKER, 2.0, DASHES[side]), f"walker, {SIDE_NAMES[side]} leg") for side in SIDE_NAMES
    ]
    return legend([*sides, (norm_swatch(), NORM_WORDS)])


def model_legend(measured: str) -> str:
    """Both metabolic models and what was measured on people."""
    return legend(
        [
            (svg.line(0, 5, 26, 5, WALKER, 2.0) + svg.circle(13, 5, 3, WALKER), "walker, Bhargava 2004"),
            (svg.line(0, 5, 26, 5, SECOND, 2.0) + svg.circle(13, 5, 3, SECOND), "walker, Umberger 2010"),
            (svg.line(0, 5, 26, 5, INK, 1.6, "5 3"), measured),
        ]
    )

# SPDX-License-Identifier: Apache-2.0
"""Section of symmetry: left against right at every speed."""

from __future__ import annotations

import numpy as np

from exo_bringup.html_report.panels import HEIGHT, WIDTH
from exo_bringup.html_report.parts import Section, figure, grid, paragraph
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.look import WALKER
from exo_bringup.walker_report.over_speed import Points, speed_panel, speed_ticks
from exo_bringup.walker_report.words import title
from exo_sim.evaluation.realism.symmetry import MEASURES
from exo_sim.evaluation.realism.targets import LARGEST_ASYMMETRY_PERCENT


def symmetry(data: WalkerData) -> Section:
    """Symmetry indices against speed."""
    speeds = np.array(data.speeds)
    target = np.full(len(speeds), LARGEST_ASYMMETRY_PERCENT)
    figures = []
    for measure in MEASURES:
        name = f"asymmetry_{measure}"
        points = Points(speeds, data.values(name), WALKER, data.intervals(name))
        panel = speed_panel(
            title(name),
            "symmetry index (%); green: target",
            [points],
            (speeds, 0.0 * target, target),
            zero=True,
            ticks=speed_ticks(data.speeds),
        )
        figures.append(figure(f"{title(name)} against speed", WIDTH, HEIGHT, panel))
    words = (
        "Symmetry index 200 |R \N{MINUS SIGN} L| / (R + L) of the means of both legs in a walk "
        "(Robinson 1987), "
        "mean and 95 % interval over walks: 0 % is symmetric. Angles: the largest flexion "
        "(ankle: dorsiflexion) of the "
        "stride. Curves of all walks together hide an asymmetry whose side differs from walk to walk."
    )
    return Section("symmetry", "Symmetry", paragraph(words, faint=True) + grid(3, figures))

# SPDX-License-Identifier: Apache-2.0
"""Section of walking: falls, speed and steps against speed."""

from __future__ import annotations

import numpy as np

from exo_bringup.html_report import svg
from exo_bringup.html_report.panels import HEIGHT, WIDTH
from exo_bringup.html_report.parts import Section, figure, grid, paragraph
from exo_bringup.html_report.style import INK
from exo_bringup.walker_report.data import WalkerData
from exo_bringup.walker_report.look import WALKER, legend
from exo_bringup.walker_report.over_speed import Points, norm_points, speed_panel, speed_ticks
from exo_sim.evaluation.realism.targets import LARGEST_SPEED_ERROR_MPS

#: Stride figures: name, title, unit, and the norm's value at a speed.
STEPS = (
    ("step_length", "Step length", "m", lambda norm: norm.step_length_m),
    ("cadence", "Cadence", "steps/min", lambda norm: 120.0 / norm.stride_time_s),
    ("stance_percent", "Stance share", "% of the stride", lambda norm: norm.stance_percent),
    ("step_width", "Step width", "m; people: about 0.1 m", None),
    ("crab_angle", "Pelvis against direction of travel", "deg, mean over the stride; people: 0", None),
)


def steps(data: WalkerData) -> Section:
    """Speed that was walked, and in what steps."""
    speeds = np.array(data.speeds)
    error = data.values("speed") - speeds
    interval = data.intervals("speed") - speeds[:, None]
    ticks = speed_ticks(data.speeds)
    room = np.full(len(speeds), LARGEST_SPEED_ERROR_MPS)
    panels = [
        speed_panel(
            "Speed walked less speed commanded",
            "m/s, along the direction of travel; green: target",
            [Points(speeds, error, WALKER, interval)],
            (speeds, -room, room),
            ticks=ticks,
        )
    ]
    titles = ["Speed walked less speed commanded"]
    for name, title, unit, norm in STEPS:
        points = [Points(speeds, data.values(name), WALKER, data.intervals(name))]
        if norm is not None:
            points.insert(0, norm_points(data.speeds, [norm(data.norms[speed]) for speed in data.speeds]))
        panels.append(speed_panel(title, unit, points, zero=norm is None, ticks=ticks))
        titles.append(title)
    entries = [
        (
            svg.line(0, 5, 26, 5, WALKER, 2.0) + svg.circle(13, 5, 3, WALKER),
            "walker, mean and 95 % interval over seeds",
        ),
        (svg.line(0, 5, 26, 5, INK, 1.6, "5 3"), "able-bodied people (Schwartz et al. 2008)"),
    ]
    figures = [figure(f"{title} against speed", WIDTH, HEIGHT, panel) for title, panel in zip(titles, panels)]
    return Section("steps", "Speed and steps", paragraph(_falls(data)) + legend(entries) + grid(3, figures))


def _falls(data: WalkerData) -> str:
    c = data.configuration
    per_speed = ", ".join(
        f"{svg.shown(100 * data.value('walks_without_fall', speed), 0)} % at {speed:g} m/s" for speed in data.speeds
    )
    return (
        f"{c['seeds']} walks of {c['duration']:g} s at each speed; seeds differ in the phase of "
        f"the stride that walking "
        f"starts in. Without a fall: {per_speed}."
    )

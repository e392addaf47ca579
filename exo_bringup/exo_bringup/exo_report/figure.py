# SPDX-License-Identifier: Apache-2.0
"""The figure of an evaluation: torque over the stride by speed, metabolic cost, muscles with and without."""

from __future__ import annotations

import io
import math
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from exo_bringup.exo_report.data import ExoEvaluation
from exo_sim.evaluation.exo import profile
from exo_sim.evaluation.exo.conditions import LEARNED, NO_DEVICE, SPLINE, UNPOWERED
from exo_sim.evaluation.exo.figures import LARGEST_PEAK_ERROR
from exo_sim.gait.curves import PHASE_PERCENT

#: Okabe and Ito's palette: told apart with any kind of colour vision.
COLOURS = {NO_DEVICE: "#999999", UNPOWERED: "#0072B2", SPLINE: "#E69F00", LEARNED: "#D55E00"}
TITLES = {
    NO_DEVICE: "no device",
    UNPOWERED: "device unpowered",
    SPLINE: "published profiles",
    LEARNED: "learned policy",
}
BAND, LINE, INK = "#DDDDDD", "#777777", "#222222"
#: Speeds from light to dark, without the faint end of the scale.
SPEED_MAP, LIGHTEST, DARKEST = "viridis_r", 0.12, 0.92
STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.6,
    "legend.frameon": False,
    "svg.hashsalt": "exo_gait",
    "svg.fonttype": "path",
}
SIZE_IN, DPI = (12.0, 10.4), 160
#: Muscles with most to do in walking, as the curves name them.
MUSCLES = {
    "soleus": "Soleus",
    "gasmed": "Gastrocnemius medialis",
    "tibant": "Tibialis anterior",
    "vaslat": "Vastus lateralis",
    "recfem": "Rectus femoris",
    "bflh": "Biceps femoris, long head",
    "glmax2": "Gluteus maximus",
    "psoas": "Psoas",
}
TORQUE_LABELS = {"hip": "+ flexion (Nm/kg)", "ankle": "+ plantarflexion (Nm/kg)"}
STRIDE_LABEL = "stride (% from heel strike)"
FIGURE_STEM = "figure"


def draw(evaluation: ExoEvaluation) -> list[Path]:
    """Write figure.svg and figure.png into the folder; returns their paths. Raises OSError."""
    with matplotlib.rc_context(STYLE):
        figure = compose(evaluation)
        paths = []
        for suffix, metadata in ((".svg", {"Date": None, "Creator": "exo_gait"}), (".png", {"Software": "exo_gait"})):
            paths.append(evaluation.folder / f"{FIGURE_STEM}{suffix}")
            figure.savefig(paths[-1], dpi=DPI, metadata=metadata)
    return paths


def as_svg(evaluation: ExoEvaluation) -> str:
    """The figure as an <svg> element."""
    with matplotlib.rc_context(STYLE):
        stream = io.StringIO()
        compose(evaluation).savefig(stream, format="svg", metadata={"Date": None, "Creator": "exo_gait"})
    text = stream.getvalue()
    return text[text.index("<svg") :]


def compose(evaluation: ExoEvaluation) -> Figure:
    """The whole figure."""
    figure = Figure(figsize=SIZE_IN)
    rows = figure.add_gridspec(
        3, 1, height_ratios=(1.15, 1.0, 1.25), left=0.06, right=0.985, top=0.915, bottom=0.055, hspace=0.45
    )
    top = rows[0].subgridspec(1, 2, wspace=0.18)
    for place, joint in enumerate(("hip", "ankle")):
        _torque(figure.add_subplot(top[place]), evaluation, joint, "AB"[place])
    middle = rows[1].subgridspec(1, 2, wspace=0.30, width_ratios=(1.75, 1.0))
    _cost(figure.add_subplot(middle[0]), evaluation)
    _groups(figure.add_subplot(middle[1]), evaluation)
    bottom = rows[2].subgridspec(2, 4, wspace=0.22, hspace=0.55)
    for place, (muscle, title) in enumerate(MUSCLES.items()):
        _muscle(
            figure.add_subplot(bottom[divmod(place, 4)]), evaluation, muscle, title, first=place == 0, lowest=place >= 4
        )
    shown = (NO_DEVICE, UNPOWERED, LEARNED)
    figure.legend(
        handles=[Line2D([], [], color=COLOURS[c], label=TITLES[c]) for c in shown],
        fontsize=8,
        ncols=len(shown),
        loc="lower right",
        bbox_to_anchor=(0.99, rows[2].get_position(figure).y1 + 0.022),
        handlelength=1.4,
    )
    figure.text(
        0.06, 0.972, "Assistance learned from what the device senses", fontsize=13, fontweight="bold", color=INK
    )
    figure.text(0.06, 0.951, subtitle(evaluation), fontsize=9, color="#555555")
    return figure


def subtitle(evaluation: ExoEvaluation) -> str:
    """What was measured, in a line."""
    configuration = evaluation.configuration
    policies = len(configuration["policies"])
    return (
        f"device {Path(configuration['device']).stem}; {policies} trained {'policy' if policies == 1 else 'policies'}, "
        f"{configuration['seeds']} walk{'s' if configuration['seeds'] != 1 else ''} of {configuration['duration']:g} s "
        "for each condition and speed; right and left leg together"
    )


def _torque(axes: Axes, evaluation: ExoEvaluation, joint: str, letter: str) -> None:
    axes.set_title(f"{letter}  {joint.capitalize()} torque")
    axes.set_xlabel(STRIDE_LABEL)
    axes.set_ylabel(TORQUE_LABELS[joint])
    axes.set_xlim(0, 100)
    axes.axhline(0.0, color=LINE, lw=0.7)
    handles = []
    curves = {speed: evaluation.curve(LEARNED, profile.variable(joint), speed) for speed in evaluation.speeds}
    middle = curves[evaluation.middle_speed]
    if middle is None:
        _words(axes, "not driven by this device" if joint not in evaluation.driven() else "no full stride")
        return
    shape = np.append(profile.reference(joint), profile.reference(joint)[0])
    scale = max(float(middle[0][:-1] @ shape[:-1] / (shape[:-1] @ shape[:-1])), 0.05)
    low, high = reference_band(scale * shape)
    axes.fill_between(PHASE_PERCENT, low, high, color=BAND, lw=0)
    axes.plot(PHASE_PERCENT, scale * shape, color=LINE, lw=1.1, ls=(0, (4, 2)))
    between = "\n" if joint == "ankle" else " "
    handles.append(Patch(color=BAND, label=f"validated on people,{between}moved by up to {LARGEST_PEAK_ERROR:g} %"))
    for place, (speed, curve) in enumerate(curves.items()):
        if curve is None:
            continue
        colour = speed_colour(place, len(curves))
        wide = 2.2 if speed == evaluation.middle_speed else 1.4
        axes.plot(PHASE_PERCENT, curve[0], color=colour, lw=wide)
        if speed == evaluation.middle_speed:
            axes.fill_between(PHASE_PERCENT, curve[0] - curve[1], curve[0] + curve[1], color=colour, alpha=0.15, lw=0)
        handles.append(Line2D([], [], color=colour, lw=wide, label=f"{speed:g} m/s"))
    figures = [
        evaluation.figure(f"{joint}_profile_{part}", LEARNED, evaluation.middle_speed)
        for part in ("r", "cosine_r", "positive_peak_error")
    ]
    if all(math.isfinite(f.value) for f in figures):
        r, cosine, peak = (f.value for f in figures)
        words = f"{evaluation.middle_speed:g} m/s: r = {r:.2f} (cosine {cosine:.2f}), peak {peak:+.1f} % of stride"
        axes.set_title(words.replace("-", "\N{MINUS SIGN}"), loc="right", fontsize=8.5, fontweight="normal", color=INK)
    # where the validated profile leaves room
    axes.legend(
        handles=handles,
        fontsize=8,
        loc="upper left" if joint == "ankle" else "lower right",
        ncols=1 if joint == "ankle" else 2,
        handlelength=1.4,
        columnspacing=1.0,
    )


def reference_band(curve: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest value (101,) of a curve that is moved by up to the tolerated error of timing."""
    shifts = np.linspace(-LARGEST_PEAK_ERROR, LARGEST_PEAK_ERROR, 25)
    moved = [np.interp((PHASE_PERCENT - shift) % 100.0, PHASE_PERCENT, curve) for shift in shifts]
    return np.min(moved, axis=0), np.max(moved, axis=0)


def speed_colour(place: int, count: int):
    """Colour of a speed, light for slow and dark for fast."""
    share = place / (count - 1) if count > 1 else 0.5
    return colormaps[SPEED_MAP](LIGHTEST + share * (DARKEST - LIGHTEST))


def _cost(axes: Axes, evaluation: ExoEvaluation) -> None:
    axes.set_title("C  Metabolic power, Bhargava 2004")
    axes.set_ylabel("gross (W/kg)")
    axes.set_xlabel("walking speed (m/s)")
    conditions = [c for c in (NO_DEVICE, UNPOWERED, SPLINE, LEARNED) if c in evaluation.conditions]
    width, highest, tops = 0.8 / len(conditions), 0.0, {}
    for i, condition in enumerate(conditions):
        for place, speed in enumerate(evaluation.speeds):
            figure = evaluation.figure("gross_bhargava", condition, speed)
            if not math.isfinite(figure.value):
                continue
            x = place - 0.4 + width * (i + 0.5)
            axes.bar(x, figure.value, width * 0.92, color=COLOURS[condition])
            top = figure.value
            if math.isfinite(figure.low):
                axes.errorbar(
                    x,
                    figure.value,
                    [[figure.value - figure.low], [figure.high - figure.value]],
                    color=INK,
                    lw=0.9,
                    capsize=2,
                )
                top = figure.high
            highest, tops[speed] = max(highest, top), max(tops.get(speed, 0.0), top)
            change = evaluation.figure("gross_change_bhargava_from_unpowered", condition, speed)
            if condition == LEARNED and math.isfinite(change.value):
                axes.annotate(
                    f"{change.value:+.0f} %".replace("-", "\N{MINUS SIGN}"),
                    (x, tops[speed]),
                    xytext=(0, 3),
                    textcoords="offset points",
                    ha="center",
                    fontsize=8.5,
                    fontweight="bold",
                    color=COLOURS[LEARNED],
                )
    axes.set_xticks(range(len(evaluation.speeds)), [f"{speed:g}" for speed in evaluation.speeds])
    axes.set_xlim(-0.6, len(evaluation.speeds) - 0.4)
    axes.set_ylim(0.0, 1.38 * highest or 1.0)
    axes.legend(
        handles=[Patch(color=COLOURS[c], label=TITLES[c]) for c in conditions],
        fontsize=8,
        ncols=2,
        loc="upper left",
        handlelength=1.2,
    )
    axes.text(
        0.985,
        0.97,
        "bars: mean, 95 % interval\npercent: learned from unpowered",
        transform=axes.transAxes,
        ha="right",
        va="top",
        fontsize=8,
        color="#555555",
    )


def _groups(axes: Axes, evaluation: ExoEvaluation) -> None:
    speed = evaluation.middle_speed
    axes.set_title(f"D  Saved by muscle group, {speed:g} m/s")
    prefix, suffix = "group_", "_change_from_unpowered"
    changes = {}
    for name in evaluation.figures:
        start, condition, at_speed = (*name.split(".", 2), "", "")[:3]
        if start.startswith(prefix) and start.endswith(suffix) and condition == LEARNED and float(at_speed) == speed:
            changes[start[len(prefix) : -len(suffix)].replace("_", " ")] = evaluation.figures[name]
    changes = {group: f for group, f in changes.items() if math.isfinite(f.value)}
    if not changes:
        _words(axes, "not measured")
        return
    for place, (group, figure) in enumerate(sorted(changes.items(), key=lambda item: -item[1].value)):
        axes.barh(place, figure.value, 0.7, color=COLOURS[LEARNED] if figure.value < 0.0 else COLOURS[UNPOWERED])
        if math.isfinite(figure.low):
            axes.errorbar(
                figure.value,
                place,
                xerr=[[figure.value - figure.low], [figure.high - figure.value]],
                color=INK,
                lw=0.9,
                capsize=2,
            )
    axes.set_yticks(range(len(changes)), [g for g, _ in sorted(changes.items(), key=lambda item: -item[1].value)])
    axes.axvline(0.0, color=LINE, lw=0.8)
    axes.set_xlabel("learned policy less unpowered (W/kg)")
    axes.xaxis.set_major_locator(MaxNLocator(5))


def _muscle(axes: Axes, evaluation: ExoEvaluation, muscle: str, title: str, first: bool, lowest: bool) -> None:
    axes.set_title(("E  " if first else "") + title, fontsize=9)
    axes.set_xlim(0, 100)
    if lowest:
        axes.set_xlabel("stride (%)")
    drawn = 0.0
    for condition in (NO_DEVICE, UNPOWERED, LEARNED):
        curve = evaluation.curve(condition, f"activation_{muscle}", evaluation.middle_speed)
        if curve is None:
            continue
        axes.plot(PHASE_PERCENT, curve[0], color=COLOURS[condition], lw=1.9 if condition == LEARNED else 1.3)
        drawn = max(drawn, float(curve[0].max()))
    if not drawn:
        _words(axes, "no full stride")
        return
    axes.set_ylim(0.0, 1.1 * max(drawn, 0.1))
    if first:
        axes.set_ylabel(f"activation, {evaluation.middle_speed:g} m/s")


def _words(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color=LINE)

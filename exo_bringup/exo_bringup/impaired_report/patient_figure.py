# SPDX-License-Identifier: Apache-2.0
"""The figure of one patient: angles and torques of both legs, asymmetry and cost, before and after."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Drawing
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from exo_bringup.exo_report.figure import INK, LINE, STRIDE_LABEL
from exo_bringup.impaired_report.data import ImpairedEvaluation, NamedPatient
from exo_bringup.impaired_report.look import (
    BAND,
    COLOURS,
    DASHES,
    HEALTHY,
    SIDE_NAMES,
    TITLES,
    counted,
    error_bar,
    minus,
    words,
)
from exo_sim.evaluation.exo.conditions import LEARNED, NO_DEVICE, UNPOWERED
from exo_sim.evaluation.impaired.assistance import ASSISTED, LEAST_ASYMMETRY
from exo_sim.evaluation.impaired.clinical import COST
from exo_sim.evaluation.impaired.measure import ASYMMETRIES
from exo_sim.evaluation.impaired.walk import PERSONALISED, PRACTISED
from exo_sim.gait.curves import PHASE_PERCENT

SIZE_IN = (12.0, 6.6)
ANGLES = (
    ("hip_flexion", "Hip angle", "+ flexion (deg)"),
    ("knee_flexion", "Knee angle", "+ flexion (deg)"),
    ("ankle_dorsiflexion", "Ankle angle", "+ dorsiflexion (deg)"),
)
TORQUES = (
    ("exo_torque_hip_Nm_kg", "Hip torque of the device", "+ flexion (Nm/kg)"),
    ("exo_torque_ankle_Nm_kg", "Ankle torque of the device", "+ plantarflexion (Nm/kg)"),
)
#: In their place where nobody wore a device.
WITHOUT = (
    ("ankle_power_W_kg", "Ankle power", "+ generation (W/kg)"),
    ("grf_vertical_BW", "Vertical ground reaction force", "(body weight)"),
)
OTHER = {"r": "l", "l": "r"}
SHORT = {
    HEALTHY: "healthy",
    NO_DEVICE: "patient",
    UNPOWERED: "unpowered",
    PRACTISED: "practised",
    LEARNED: "everybody's",
    PERSONALISED: "personal",
}
ASYMMETRY_WORDS = {"step_length": "step\nlength", "stance_time": "stance\ntime", "ankle_range": "ankle\nrange"}


@dataclass(frozen=True)
class Shown:
    """Conditions of a patient's figure, in order: name of the person, what is worn, key of colour and title."""

    person: str
    worn: str
    key: str


def conditions(evaluation: ImpairedEvaluation, patient: NamedPatient) -> list[Shown]:
    """What curves are drawn of: without a device, or unpowered and under each policy."""
    worn = evaluation.worn(patient.name)
    return [Shown(patient.name, each, each) for each in worn] or [Shown(patient.name, NO_DEVICE, NO_DEVICE)]


def compose(evaluation: ImpairedEvaluation, patient: NamedPatient) -> Drawing:
    """The whole figure."""
    drawing = Drawing(figsize=SIZE_IN)
    rows = drawing.add_gridspec(2, 1, left=0.06, right=0.985, top=0.80, bottom=0.09, hspace=0.52)
    shown = conditions(evaluation, patient)
    top = rows[0].subgridspec(1, 3, wspace=0.2)
    for place, (variable, title, unit) in enumerate(ANGLES):
        axes = drawing.add_subplot(top[place])
        _healthy_band(axes, evaluation, patient, variable)
        _curves(axes, evaluation, patient, shown, variable, title, unit)
    below = rows[1].subgridspec(1, 4, wspace=0.32, width_ratios=(1.0, 1.0, 0.95, 0.75))
    assisted = [each for each in shown if each.worn in ASSISTED]
    for place, (variable, title, unit) in enumerate(TORQUES if assisted else WITHOUT):
        axes = drawing.add_subplot(below[place])
        if not assisted:
            _healthy_band(axes, evaluation, patient, variable)
        _curves(axes, evaluation, patient, assisted or shown, variable, title, unit)
    _asymmetry(drawing.add_subplot(below[2]), evaluation, patient, shown)
    _cost(drawing.add_subplot(below[3]), evaluation, patient, shown)
    _heading(drawing, evaluation, patient, shown)
    return drawing


def _heading(drawing: Drawing, evaluation: ImpairedEvaluation, patient: NamedPatient, shown: list[Shown]) -> None:
    drawing.text(0.06, 0.955, patient.title.capitalize(), fontsize=13, fontweight="bold", color=INK)
    walks = sum(evaluation.figure("walks", each.person, each.worn).value for each in shown)
    falls = sum(evaluation.figure("falls", each.person, each.worn).value for each in shown)
    drawing.text(
        0.06,
        0.922,
        f"{evaluation.speed:g} m/s commanded; {counted(walks, 'walk')} of "
        f"{evaluation.configuration['duration']:g} s, {counted(falls, 'fall')}",
        fontsize=9,
        color="#555555",
    )
    affected, other = SIDE_NAMES[patient.side], SIDE_NAMES[OTHER[patient.side]]
    role = " (affected)" if patient.one_sided else ""
    handles = [
        Line2D([], [], color=INK, ls=DASHES["affected"], label=f"{affected} leg{role}"),
        Line2D([], [], color=INK, ls=DASHES["other"], label=f"{other} leg"),
        Patch(color=BAND, label="healthy self, \N{PLUS-MINUS SIGN} 1 SD"),
    ]
    handles += [Line2D([], [], color=COLOURS[each.key], lw=2.0, label=TITLES[each.key]) for each in shown]
    drawing.legend(
        handles=handles,
        fontsize=8.5,
        ncols=len(handles),
        loc="upper left",
        bbox_to_anchor=(0.053, 0.905),
        handlelength=2.4,
        columnspacing=1.6,
    )


def _healthy_band(axes: Axes, evaluation: ImpairedEvaluation, patient: NamedPatient, variable: str) -> None:
    curve = evaluation.curve(patient.healthy, NO_DEVICE, variable, patient.side)
    if curve is not None:
        axes.fill_between(PHASE_PERCENT, curve.mean - curve.sd, curve.mean + curve.sd, color=BAND, lw=0)
        axes.plot(PHASE_PERCENT, curve.mean, color="#BBBBBB", lw=0.8)


def _curves(
    axes: Axes,
    evaluation: ImpairedEvaluation,
    patient: NamedPatient,
    shown: list[Shown],
    variable: str,
    title: str,
    unit: str,
) -> None:
    axes.set_title(title)
    axes.set_xlabel(STRIDE_LABEL)
    axes.set_ylabel(unit)
    axes.set_xlim(0, 100)
    axes.axhline(0.0, color=LINE, lw=0.7)
    drawn = False
    for each in shown:
        for leg, side in (("other", OTHER[patient.side]), ("affected", patient.side)):
            curve = evaluation.curve(each.person, each.worn, variable, side)
            if curve is not None:
                axes.plot(
                    PHASE_PERCENT,
                    curve.mean,
                    color=COLOURS[each.key],
                    ls=DASHES[leg],
                    lw=1.9 if leg == "affected" else 1.3,
                )
                drawn = True
    if not drawn:
        # somebody else's curve tells that it is driven
        words(axes, "no full stride" if variable in evaluation.curves.variables else "not driven by this device")


def _asymmetry(axes: Axes, evaluation: ImpairedEvaluation, patient: NamedPatient, shown: list[Shown]) -> None:
    axes.set_title("Asymmetry")
    axes.set_ylabel("symmetry index (%)")
    width, highest = 0.8 / len(shown), 0.0
    values = [_asymmetry_of(evaluation, name, each).value for each in shown for name in ASYMMETRIES]
    tallest = max(filter(math.isfinite, values), default=0.0)
    for i, each in enumerate(shown):
        for place, name in enumerate(ASYMMETRIES):
            figure = _asymmetry_of(evaluation, name, each)
            if math.isfinite(figure.value):
                x = place - 0.4 + width * (i + 0.5)
                axes.bar(x, figure.value, width * 0.9, color=COLOURS[each.key])
                top = error_bar(axes, x, figure)
                top = min(top, max(2.0 * figure.value, tallest))  # an interval may be wider than all bars are tall
                highest = max(highest, top)
                reduction = evaluation.figure(f"asymmetry_{name}_reduction", each.person, each.worn)
                if math.isfinite(reduction.value) and reduction.target is not None:
                    axes.annotate(
                        minus(f"{-reduction.value:+.0f} %"),
                        (x, top),
                        xytext=(0, 4),
                        textcoords="offset points",
                        ha="center",
                        fontsize=7.5,
                        fontweight="bold",
                        rotation=90,
                        color=COLOURS[each.key],
                        bbox={"fc": "white", "ec": "none", "pad": 0.5},
                    )
    axes.set_xticks(range(len(ASYMMETRIES)), [ASYMMETRY_WORDS[name] for name in ASYMMETRIES])
    axes.set_xlim(-0.5, len(ASYMMETRIES) - 0.5)
    axes.set_ylim(0.0, 1.3 * max(highest, LEAST_ASYMMETRY))
    axes.axhline(LEAST_ASYMMETRY, color=LINE, lw=0.8, ls=(0, (2, 2)))


def _asymmetry_of(evaluation: ImpairedEvaluation, name: str, each: Shown):
    return evaluation.figure(f"asymmetry_{name}", each.person, each.worn)


def _cost(axes: Axes, evaluation: ImpairedEvaluation, patient: NamedPatient, shown: list[Shown]) -> None:
    axes.set_title("Cost per distance")
    axes.set_ylabel("gross (J/kg/m)")
    first = UNPOWERED if shown[0].worn == UNPOWERED else NO_DEVICE
    bars = [Shown(patient.healthy, first, HEALTHY), *shown]
    highest = 0.0
    for x, each in enumerate(bars):
        figure = evaluation.figure(COST, each.person, each.worn)
        if not math.isfinite(figure.value):
            axes.text(x, 0.0, "fell", ha="center", va="bottom", fontsize=8, color=LINE)
            continue
        axes.bar(x, figure.value, 0.75, color=COLOURS[each.key])
        highest = max(highest, error_bar(axes, x, figure))
        change = evaluation.figure(f"{COST}_change", each.person, each.worn)
        if math.isfinite(change.value):
            axes.annotate(
                minus(f"{change.value:+.0f} %"),
                (x, max(figure.value, highest)),
                xytext=(0, 3),
                textcoords="offset points",
                ha="center",
                fontsize=8.5,
                fontweight="bold",
                color=COLOURS[each.key],
            )
    axes.set_xticks(range(len(bars)), [SHORT[each.key] for each in bars], fontsize=7.5, rotation=30)
    axes.set_xlim(-0.6, len(bars) - 0.4)
    axes.set_ylim(0.0, 1.2 * highest or 1.0)

# SPDX-License-Identifier: Apache-2.0
"""How figures are called in a report: titles, digits, targets in signs."""

from __future__ import annotations

from collections.abc import Mapping

from exo_bringup.html_report import svg
from exo_bringup.html_report.catalogue import EMG_TITLES

_JOINTS = ("hip", "knee", "ankle")
TITLES = {
    "walks_without_fall": "Walks without a fall",
    "speed": "Speed along the direction of travel",
    "speed_error": "Error of speed",
    "walked": "Time walked",
    "step_length": "Step length",
    "cadence": "Cadence",
    "stance_percent": "Stance share of the stride",
    "step_width": "Step width",
    "drift_of_heading": "Drift of heading over a walk",
    "crab_angle": "Angle of pelvis to direction of travel",
    "grf_vertical_r": "Vertical force, r",
    "grf_fore_aft_r": "Fore-aft force, r",
    "grf_vertical_peaks": "Peaks of vertical force",
    "grf_vertical_largest": "Largest vertical force in any stride",
    "grf_vertical_first_peak": "First peak of vertical force",
    "grf_vertical_second_peak": "Second peak of vertical force",
    "push_off_power": "Ankle push-off power, peak",
    "push_off_excess": "Ankle push-off power over the norm's peak",
    "pushes_recovered": "Pushes recovered from",
    "cost_r_bhargava": "Metabolic power over speed, r, Bhargava 2004",
    "cost_r_umberger": "Metabolic power over speed, r, Umberger 2010",
    "cheapest_speed_bhargava": "Speed of least cost per distance, Bhargava 2004",
    "cheapest_speed_umberger": "Speed of least cost per distance, Umberger 2010",
    "metabolic_power_bhargava": "Metabolic power, Bhargava 2004",
    "metabolic_power_umberger": "Metabolic power, Umberger 2010",
    "cost_of_transport_bhargava": "Cost per distance, Bhargava 2004",
    "cost_of_transport_umberger": "Cost per distance, Umberger 2010",
    "asymmetry_step_length": "Asymmetry of step length",
    "asymmetry_stance_time": "Asymmetry of stance time",
    **{f"asymmetry_{joint}_peak": f"Asymmetry of {joint} peak angle" for joint in _JOINTS},
    **{f"{joint}_angle_rmse": f"{joint.capitalize()} angle, RMSE without offset" for joint in _JOINTS},
    **{f"{joint}_angle_r": f"{joint.capitalize()} angle, r" for joint in _JOINTS},
    **{f"{joint}_angle_offset": f"{joint.capitalize()} angle, offset" for joint in _JOINTS},
    **{f"{joint}_moment_r": f"{joint.capitalize()} moment, r" for joint in _JOINTS},
    **{f"{joint}_power_r": f"{joint.capitalize()} power, r" for joint in _JOINTS},
    **{f"{emg}_agreement": f"{title}, on and off as EMG" for emg, title in EMG_TITLES.items()},
    **{f"pushes_from_{side}_recovered": f"Pushes from {words} recovered from" for side, words in
       (("behind", "behind"), ("front", "the front"), ("left", "the left"), ("right", "the right"))},
}  # fmt: skip
#: Decimals by unit.
DIGITS = {
    "deg": 1,
    "%": 1,
    "m/s": 2,
    "m": 3,
    "s": 1,
    "W/kg": 2,
    "J/kg/m": 2,
    "SD": 2,
    "BW": 2,
    "steps/min": 1,
}
OTHER_DIGITS = 3


def title(name: str) -> str:
    """Title of a figure by its name without a speed."""
    return TITLES.get(name, name.replace("_", " "))


def shown(figure: Mapping | None) -> str:
    """Value of a figure; a dash where it is not known."""
    if figure is None or figure["value"] is None:
        return svg.shown(float("nan"))
    return svg.shown(figure["value"], DIGITS.get(figure["unit"], OTHER_DIGITS))


def unit(figure: Mapping) -> str:
    """Unit of a figure; nothing for a pure number."""
    return "" if figure["unit"] == "1" else figure["unit"]


def limits(target: str | None) -> str:
    """A target with signs for people."""
    return (
        (target or "")
        .replace("<=", "\N{LESS-THAN OR EQUAL TO}")
        .replace(">=", "\N{GREATER-THAN OR EQUAL TO}")
        .replace("-", svg.MINUS)
    )

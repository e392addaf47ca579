# SPDX-License-Identifier: Apache-2.0
"""ROS parameters of policy_node, declared with units and ranges."""

from __future__ import annotations

from exo_core.ros import Declaration
from exo_policy.controllers import CONTROLLERS
from exo_policy.observation import DEFAULT_RATE_HZ
from exo_policy.policy_runtime import Choice
from exo_policy.profiles import (
    ANKLE_GENERIC,
    DEFAULT_ANKLE_PEAK_NM_PER_KG,
    DEFAULT_HIP_PEAK_NM_PER_KG,
    PROFILES,
)

_LIVE = "A change while running swaps the controller within fade_s."
_SPLINE = "Controller spline: "
_PROFILES = tuple(profile for profile in PROFILES if profile.startswith("ankle"))


def _live(default: float | str, text: str, limits: tuple[float, float] | None = None) -> Declaration:
    return Declaration(default, f"{text} {_LIVE}", limits, live=True)


DECLARATIONS = {
    "controller": _live("zero", f"Controller: {', '.join(CONTROLLERS)}."),
    "checkpoint": _live(
        "",
        "Checkpoint for the controller learned: path of NAME.json; empty takes the one shipped for the device's joints.",
    ),
    "hip_peak_nm_per_kg": _live(DEFAULT_HIP_PEAK_NM_PER_KG, _SPLINE + "peak of both hip lobes (Nm/kg).", (0.0, 1.0)),
    "ankle_peak_nm_per_kg": _live(
        DEFAULT_ANKLE_PEAK_NM_PER_KG, _SPLINE + "peak plantarflexion torque (Nm/kg).", (0.0, 1.5)
    ),
    "ankle_profile": _live(ANKLE_GENERIC.name, f"{_SPLINE}ankle profile: {', '.join(_PROFILES)}."),
    "lead_s": _live(0.0, _SPLINE + "delay of sensors and motors to make up for (s).", (0.0, 0.1)),
    "strengths": _live(
        "",
        "Controller learned: the wearer's strengths as a fraction of the healthy, as plantarflexors_r: 0.5, "
        "hip_flexors_r: 0.8; what is left out is healthy. Only a policy that was trained to be told them looks at it.",
    ),
    "fade_s": _live(1.0, "Time over which a changed parameter passes over to the new controller (s).", (0.0, 30.0)),
    "rate_hz": Declaration(
        DEFAULT_RATE_HZ,
        "Rate of exo/joint_states and exo/imu, which a learned controller must be made for (Hz). Read at start.",
        (10.0, 1000.0),
    ),
    "wearer_mass_kg": Declaration(
        0.0, "Mass of the wearer (kg); 0 takes the one in exo/status. Read at start.", (0.0, 300.0)
    ),
}

CHOICE = ("controller", "checkpoint")
NOT_A_CONTROLLERS = (*CHOICE, "fade_s", "wearer_mass_kg")


def choice(parameters: dict) -> Choice:
    """The controller that the parameters describe."""
    tunable = {name: value for name, value in parameters.items() if name not in NOT_A_CONTROLLERS}
    return Choice(parameters["controller"], parameters["checkpoint"], tunable)

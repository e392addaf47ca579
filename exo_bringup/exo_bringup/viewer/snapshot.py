# SPDX-License-Identifier: Apache-2.0
"""What the topics have said last, without ROS. Only the viewer's own loop touches it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from exo_bringup.telemetry import MODE_NAMES


@dataclass
class Foot:
    """Force on a foot (3,) N and its centre of pressure (3,) m, in the world; NaN where it is not known."""

    force: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))
    centre: np.ndarray = field(default_factory=lambda: np.full(3, np.nan))


@dataclass
class Snapshot:
    """The latest of everything. Names and signs of MyoLegs, world after REP-103."""

    #: Joint positions (rad) and net joint moments (Nm) of the simulated body; empty without a simulator.
    joints: dict[str, float] = field(default_factory=dict)
    #: Angle (rad) and applied torque (Nm) of the device's joints.
    device_joints: dict[str, float] = field(default_factory=dict)
    device_torque: dict[str, float] = field(default_factory=dict)
    #: Pelvis in the world (3,) m and (4,) x, y, z, w; None until the simulator has said it.
    root_position: np.ndarray | None = None
    root_xyzw: np.ndarray | None = None
    #: Orientation of the device's IMU (4,) x, y, z, w.
    imu_xyzw: np.ndarray | None = None

    muscle_names: tuple[str, ...] = ()
    activation: np.ndarray = field(default_factory=lambda: np.zeros(0))
    muscle_force: np.ndarray = field(default_factory=lambda: np.zeros(0))
    feet: dict[str, Foot] = field(default_factory=lambda: {"r": Foot(), "l": Foot()})
    phase: dict[str, float] = field(default_factory=lambda: {"r": math.nan, "l": math.nan})

    #: Of human/state: simulated time (s), speeds (m/s), metabolic power (W/kg), and how the simulation goes.
    time_s: float = math.nan
    speed_mps: float = math.nan
    commanded_speed_mps: float = math.nan
    metabolic_w_per_kg: float = math.nan
    real_time_factor: float = math.nan
    paused: bool = False
    fallen: bool = False
    falls: int = 0

    #: Of exo/status. Mode is None before the first one.
    mode: int | None = None
    cause: str = ""
    device_names: tuple[str, ...] = ()
    assistance_gain: float = math.nan
    wearer_mass_kg: float = math.nan
    command_age_s: float = math.nan

    #: Wall time (s, monotonic) of the last message of the simulator and of the device; -inf for never.
    heard_simulator_s: float = -math.inf
    heard_device_s: float = -math.inf

    @property
    def mode_name(self) -> str:
        """Device mode as text; `-` before the first status."""
        return "-" if self.mode is None else MODE_NAMES[self.mode]

    def muscle_values(self, values: np.ndarray, wanted: tuple[str, ...]) -> np.ndarray:
        """Values in the order of other names; 0 for those that are not known."""
        if self.muscle_names == wanted:
            return values
        known = dict(zip(self.muscle_names, values))
        return np.array([known.get(name, 0.0) for name in wanted])

# SPDX-License-Identifier: Apache-2.0
"""What the plots draw, gathered from the snapshots: curves over the stride, the last seconds, costs."""

from __future__ import annotations

import numpy as np

from exo_bringup.viewer.cost_comparison import CostComparison
from exo_bringup.viewer.snapshot import Snapshot
from exo_bringup.viewer.stride_curves import StrideCurve
from exo_bringup.viewer.time_trace import TimeTrace
from exo_core.joints import SIDES
from exo_sim.gait.variables import ANGLES

#: Joints whose angle is drawn over the normative band, without side.
ANGLE_JOINTS = ("hip_flexion", "knee_angle", "ankle_angle")
#: Time that the plots over time reach back (s).
WINDOW_S = 4.0


class Memory:
    """Grows with every snapshot; forgets when time goes back."""

    def __init__(self):
        self.cost = CostComparison()
        self.angle_deg = {(joint, side): StrideCurve() for joint in ANGLE_JOINTS for side in SIDES}
        self.torque: TimeTrace | None = None
        self.torque_names: tuple[str, ...] = ()
        self.activation: TimeTrace | None = None
        self.muscle_names: tuple[str, ...] = ()
        self._time_s = -np.inf
        self._speed_mps = np.nan

    def add_stride(self, time_s: float, power_w_per_kg: float, peak_torque_nm_per_kg: list[float]) -> None:
        """Take one stride of one side, as CostComparison.add."""
        self.cost.add(time_s, power_w_per_kg, peak_torque_nm_per_kg)

    def forget_costs(self) -> None:
        """Compare anew: another person, or another speed."""
        self.cost = CostComparison()

    def add(self, now: Snapshot, device_time_s: float) -> None:
        """Take the latest; `device_time_s` is the stamp of the device's joint states."""
        if now.time_s < self._time_s:
            for curve in self.angle_deg.values():
                curve.clear()
        if np.isfinite(now.time_s):
            self._time_s = now.time_s
        if now.commanded_speed_mps != self._speed_mps and np.isfinite(now.commanded_speed_mps):
            self._speed_mps = now.commanded_speed_mps
            self.forget_costs()
        for (joint, side), curve in self.angle_deg.items():
            angle = now.joints.get(f"{joint}_{side}", np.nan)
            # the band is drawn by another definition of the hip's zero
            curve.add(now.phase[side], np.rad2deg(angle) + ANGLES[joint][1])
        names = tuple(now.device_torque)
        if names and names != self.torque_names:
            self.torque_names, self.torque = names, TimeTrace(len(names), WINDOW_S)
        if names and np.isfinite(device_time_s):
            self.torque.add(device_time_s, np.array(list(now.device_torque.values())))
        if now.muscle_names and now.muscle_names != self.muscle_names:
            self.muscle_names = now.muscle_names
            self.activation = TimeTrace(len(now.muscle_names), WINDOW_S)
        if now.muscle_names and np.isfinite(now.time_s):
            self.activation.add(now.time_s, now.activation)

# SPDX-License-Identifier: Apache-2.0
"""Normative curves of walking at any speed: Schwartz 2008, typically developing children, mean and SD between subjects.

Source and licence: heads of ``data/schwartz2008_*.csv``. Variables: ``exo_sim.gait.variables``, and besides
them ``foot_progression`` (deg, toe-in +) and five ``emg_*`` (linear envelope over its dynamic maximum).
"""

from __future__ import annotations

import csv
from functools import lru_cache
from importlib import resources

import numpy as np

from exo_sim.gait.curves import PHASE_PERCENT, Curve
from exo_sim.gait.errors import GaitError
from exo_sim.gait.reference import GRAVITY_M_S2, LEG_LENGTH_RANGE_M, SPEED_RANGE_MPS, checked_range


def _read(name: str) -> list[dict[str, str]]:
    text = (resources.files("exo_sim.gait.data") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


@lru_cache(maxsize=1)
def _curves() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Speeds (S,), phases (P,) percent, and per variable an array (S, P, 2) of mean and SD."""
    rows = _read("schwartz2008_normative.csv")
    speeds = np.array(sorted({float(row["speed_norm"]) for row in rows}))
    phases = np.array(sorted({float(row["phase_percent"]) for row in rows}))
    speed_index = {speed: i for i, speed in enumerate(speeds)}
    phase_index = {phase: i for i, phase in enumerate(phases)}
    table: dict[str, np.ndarray] = {}
    for row in rows:
        values = table.setdefault(row["variable"], np.full((len(speeds), len(phases), 2), np.nan))
        values[speed_index[float(row["speed_norm"])], phase_index[float(row["phase_percent"])]] = (
            float(row["mean"]),
            float(row["sd"]),
        )
    return speeds, phases, table


@lru_cache(maxsize=1)
def _spatiotemporal() -> dict[str, np.ndarray]:
    rows = _read("schwartz2008_spatiotemporal.csv")
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0] if name != "condition"}


class NormativeGait:
    """Normative curves and stride figures at one speed, interpolated between the five measured speeds.

    Args:
        speed_mps: walking speed, m/s; outside the measured range (0.51 to 2.06 m/s for a leg of 0.90 m) the
            nearest measured speed is used, see ``clamped``.
        leg_length_m: height of the hip (greater trochanter), m; speeds compare as v / sqrt(g L).

    Attributes:
        clamped: whether the speed lies outside the measured range.
        stride_time_s, step_length_m, stance_percent, double_support_percent: group means.

    Raises:
        GaitError: speed or leg length out of range.
    """

    def __init__(self, speed_mps: float, leg_length_m: float = 0.9):
        self.speed_mps = checked_range("speed_mps", speed_mps, SPEED_RANGE_MPS)
        leg = checked_range("leg_length_m", leg_length_m, LEG_LENGTH_RANGE_M)
        wanted = self.speed_mps / np.sqrt(GRAVITY_M_S2 * leg)
        speeds = _curves()[0]
        self._vn = float(np.clip(wanted, speeds[0], speeds[-1]))
        self.clamped = self._vn != wanted
        self.stride_time_s = self._scalar("stride_time_norm") * float(np.sqrt(leg / GRAVITY_M_S2))
        self.step_length_m = self._scalar("step_length_norm") * leg
        self.stance_percent = self._scalar("stance_percent")
        self.double_support_percent = self._scalar("double_support_percent")

    @staticmethod
    def variables() -> tuple[str, ...]:
        """Names of all normative variables."""
        return tuple(_curves()[2])

    def curve(self, variable: str, phase_percent: np.ndarray = PHASE_PERCENT) -> Curve:
        """Mean and SD at ``phase_percent`` (n,), 0 to 100; condition "normative", side "both".

        Raises:
            GaitError: unknown variable (the message lists them) or a phase outside 0 to 100.
        """
        speeds, phases, table = _curves()
        if variable not in table:
            raise GaitError(f"no normative data for {variable}; there are: {', '.join(table)}")
        phase_percent = np.asarray(phase_percent, dtype=float)
        if phase_percent.ndim != 1 or not np.all((phase_percent >= 0) & (phase_percent <= 100)):
            raise GaitError("phase_percent must be one-dimensional and between 0 and 100")
        upper = int(np.clip(np.searchsorted(speeds, self._vn), 1, len(speeds) - 1))
        weight = (self._vn - speeds[upper - 1]) / (speeds[upper] - speeds[upper - 1])
        both = table[variable][upper - 1] * (1.0 - weight) + table[variable][upper] * weight
        mean, sd = (np.interp(phase_percent, phases, both[:, column]) for column in range(2))
        return Curve("normative", self.speed_mps, "both", variable, phase_percent, mean, sd)

    def _scalar(self, name: str) -> float:
        table = _spatiotemporal()
        return float(np.interp(self._vn, table["speed_norm"], table[name]))

# SPDX-License-Identifier: Apache-2.0
"""Torque over time of two walks, or of what was asked and what was given: delay, and what remains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: Samples are put on this grid (s); delays are looked for up to the longest one, in finer steps (s).
PERIOD_S, LONGEST_DELAY_S, DELAY_STEP_S = 0.01, 0.1, 0.001
#: A step's share that is rounding.
ROUNDING = 1e-6


@dataclass(frozen=True)
class TorqueSeries:
    """torque (N, J) in Nm on the grid from start_s; NaN where no sample came."""

    start_s: float
    torque: np.ndarray

    @classmethod
    def of(cls, t: np.ndarray, torque: np.ndarray, start_s: float, end_s: float) -> TorqueSeries:
        """Samples at times t (N,) with torque (N, J), from start_s to end_s (s)."""
        count = round((end_s - start_s) / PERIOD_S)
        values = np.full((count, torque.shape[1]), np.nan)
        index = np.round((t - start_s) / PERIOD_S).astype(int)
        inside = (index >= 0) & (index < count)
        values[index[inside]] = torque[inside]
        return cls(start_s, values)

    @classmethod
    def load(cls, file: Path, which: str, start_s: float, end_s: float) -> TorqueSeries:
        """`which` of motor or command of a walk that WalkRecord saved."""
        with np.load(file) as walk:
            return cls.of(walk[f"{which}_t"], walk[f"{which}_torque"], start_s, end_s)


@dataclass(frozen=True)
class Agreement:
    """How the second series follows the first: delay (ms), RMS difference after it (Nm), by joint too."""

    lag_ms: float
    rms_nm: float
    by_joint_nm: tuple[float, ...]


def agreement(first: TorqueSeries, second: TorqueSeries) -> Agreement:
    """The delay of the second series that leaves the least difference, and that difference."""
    lags_s = np.arange(-LONGEST_DELAY_S, LONGEST_DELAY_S + 0.5 * DELAY_STEP_S, DELAY_STEP_S)
    candidates = [(_rms(first.torque, second.torque, lag_s), lag_s) for lag_s in lags_s]
    rms, lag_s = min(candidates, key=lambda candidate: float(np.sqrt(np.mean(candidate[0] ** 2))))
    return Agreement(1e3 * float(lag_s), float(np.sqrt(np.mean(rms**2))), tuple(rms.tolist()))


def _rms(first: np.ndarray, second: np.ndarray, lag_s: float) -> np.ndarray:
    """Difference by joint (J,) when the second series comes lag_s later; straight lines between its samples."""
    whole = int(np.floor(lag_s / PERIOD_S + ROUNDING))
    share = lag_s / PERIOD_S - whole
    start, end = max(0, -whole), min(len(first), len(second) - whole - 1)
    later = second[start + whole : end + whole + 1]
    moved = later[:-1] if share < ROUNDING else (1.0 - share) * later[:-1] + share * later[1:]
    return np.sqrt(np.nanmean((first[start:end] - moved) ** 2, axis=0))


class WalkRecord:
    """Collects a walk's torque and metabolic power."""

    def __init__(self, joints: Sequence[str]) -> None:
        self._joints = tuple(joints)
        self._rows: dict[str, list[tuple]] = {"motor": [], "command": [], "power": []}

    def add_torque(self, which: str, t: float, names: Sequence[str], torque: Sequence[float]) -> None:
        """Torque (Nm) of time t (s); joints that are not named have none."""
        by_name = dict(zip(names, torque, strict=True))
        self._rows[which].append((t, *(by_name.get(joint, 0.0) for joint in self._joints)))

    def add_power(self, t: float, watt_per_kg: float) -> None:
        """Metabolic power of time t (s)."""
        self._rows["power"].append((t, watt_per_kg))

    def power(self, start_s: float, end_s: float) -> float:
        """Mean metabolic power between two times (W/kg)."""
        rows = np.array(self._rows["power"])
        return float(rows[(rows[:, 0] >= start_s) & (rows[:, 0] < end_s), 1].mean())

    def save(self, file: Path) -> None:
        """Writes everything as npz."""
        content = {}
        for which, rows in self._rows.items():
            table = np.array(rows)
            content[f"{which}_t"], content[f"{which}_torque" if which != "power" else "power"] = (
                table[:, 0],
                table[:, 1:],
            )
        np.savez(file, joints=np.array(self._joints), **content)

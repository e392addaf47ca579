# SPDX-License-Identifier: Apache-2.0
"""What an evaluation of an exoskeleton policy left, read for its report."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exo_bringup.errors import BringupError
from exo_sim.evaluation.exo.command import CURVES_FILE, SUMMARY_FILE
from exo_sim.evaluation.exo.conditions import LEARNED
from exo_sim.evaluation.exo.figures import PROFILE_SPEED_MPS, at
from exo_sim.gait.curves import CurveTable
from exo_sim.gait.errors import GaitError
from exo_sim.measurement import Figure

SIDES = ("r", "l")


#: Stands for a figure that is not there.
NOTHING = Figure("nothing", math.nan, "1")


@dataclass(frozen=True)
class ExoEvaluation:
    """A folder that `exo evaluate exo` wrote."""

    folder: Path
    summary: dict
    curves: CurveTable
    figures: dict[str, Figure]

    @property
    def configuration(self) -> dict:
        """As it was run."""
        return self.summary["configuration"]

    @property
    def speeds(self) -> list[float]:
        """Commanded speeds (m/s), rising."""
        return sorted(float(speed) for speed in self.configuration["speeds"])

    @property
    def conditions(self) -> list[str]:
        """In the order of the summary."""
        found = [name.split(".", 2)[1] for name in self.figures if name.count(".") >= 2]
        return list(dict.fromkeys(found))

    @property
    def middle_speed(self) -> float:
        """Where profiles and muscles are shown: 1.25 m/s, or the speed nearest to it."""
        return min(self.speeds, key=lambda speed: abs(speed - PROFILE_SPEED_MPS))

    def figure(self, name: str, condition: str, speed: float) -> Figure:
        """A figure of a condition at a speed; NaN where it is not there."""
        return self.figures.get(at(name, condition, speed), NOTHING)

    def curve(self, condition: str, variable: str, speed: float) -> tuple[np.ndarray, np.ndarray] | None:
        """Mean and SD over strides (101,) of both sides together, or of the one that there is."""
        found = []
        for side in SIDES:
            try:
                curve = self.curves.get(condition, variable, side, speed)
            except GaitError:
                continue
            if np.isfinite(curve.mean).all():
                found.append((curve.mean, np.nan_to_num(curve.sd)))
        if not found:
            return None
        return np.mean([mean for mean, _ in found], axis=0), np.mean([sd for _, sd in found], axis=0)

    def driven(self) -> list[str]:
        """Kinds of joints that the device drives, of those that have a validated profile."""
        return [
            joint
            for joint in ("hip", "ankle")
            if any(f"exo_torque_{joint}_Nm_kg" == curve.variable for curve in self.curves if curve.condition == LEARNED)
        ]


def load_evaluation(folder: str | Path) -> ExoEvaluation:
    """Reads a folder of `exo evaluate exo`.

    Raises:
        BringupError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    folder = Path(folder)
    try:
        summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        figures = {f["name"]: Figure.from_entry(f) for f in summary["figures"]}
        summary["configuration"]["speeds"]
    except OSError as error:
        raise BringupError(
            f"{folder / SUMMARY_FILE} cannot be read: {error.strerror}; give a folder that `exo evaluate exo` wrote"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise BringupError(f"{folder / SUMMARY_FILE} is damaged: {error}") from error
    return ExoEvaluation(folder, summary, CurveTable.read(folder / CURVES_FILE), figures)

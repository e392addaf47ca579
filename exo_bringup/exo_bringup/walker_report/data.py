# SPDX-License-Identifier: Apache-2.0
"""Everything that a report of the walker knows: what `exo evaluate human` left in its folder."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from exo_bringup.errors import BringupError
from exo_sim.evaluation.evaluate_human import COMMAND, CURVES_FILE, PUSHES_FILE
from exo_sim.evaluation.realism.group import at_speed, split_name
from exo_sim.gait.curves import Curve, CurveTable
from exo_sim.gait.errors import GaitError
from exo_sim.gait.normative import NormativeGait


@dataclass(frozen=True)
class WalkerData:
    """One evaluation of the walker.

    Attributes:
        pushes: records of trials: origin, phase, recovered and so on.
    """

    folder: Path
    summary: Mapping
    record: Mapping
    curves: CurveTable
    pushes: list[Mapping]

    @property
    def configuration(self) -> Mapping:
        """What decided the evaluation."""
        return self.summary["configuration"]

    @cached_property
    def figures(self) -> dict[str, Mapping]:
        """Figures by name, in the order they are to be read."""
        return {figure["name"]: figure for figure in self.summary["figures"]}

    @cached_property
    def speeds(self) -> list[float]:
        """Commanded speeds (m/s), slowest first."""
        return sorted(float(speed) for speed in self.configuration["speeds"])

    @cached_property
    def norms(self) -> dict[float, NormativeGait]:
        """Able-bodied people by speed."""
        leg = float(self.configuration["leg_length_m"])
        return {speed: NormativeGait(speed, leg) for speed in self.speeds}

    @cached_property
    def names_by_speed(self) -> list[str]:
        """Names of the figures that were measured at each speed, without the speed."""
        stems = (split_name(name) for name in self.figures)
        return list(dict.fromkeys(stem for stem, speed in stems if speed is not None))

    def figure(self, name: str, speed: float | None = None) -> Mapping | None:
        """A figure (at a speed), or None."""
        return self.figures.get(name if speed is None else at_speed(name, speed))

    def value(self, name: str, speed: float | None = None) -> float:
        """Its value; NaN where it is not known."""
        figure = self.figure(name, speed)
        return math.nan if figure is None or figure["value"] is None else float(figure["value"])

    def values(self, name: str) -> np.ndarray:
        """Values over the speeds, (S,)."""
        return np.array([self.value(name, speed) for speed in self.speeds])

    def intervals(self, name: str) -> np.ndarray:
        """Intervals over the speeds, (S, 2); NaN where there is none."""
        found = [(self.figure(name, speed) or {}).get("interval") for speed in self.speeds]
        return np.array([[math.nan if end is None else end for end in interval or (None, None)]
                         for interval in found], dtype=float)  # fmt: skip

    def curve(self, variable: str, side: str, speed: float) -> Curve | None:
        """Mean over all strides of all walks at a speed, or None."""
        try:
            return self.curves.get(self.curves.conditions[0], variable, side, speed)
        except (GaitError, IndexError):
            return None

    def norm_curve(self, variable: str, speed: float) -> Curve | None:
        """Mean and SD of able-bodied people at a speed, or None."""
        known = variable in NormativeGait.variables()
        return self.norms[speed].curve(variable) if known else None


def load_walker(folder: str | Path) -> WalkerData:
    """Read the folder of an evaluation.

    Raises:
        BringupError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    folder = Path(folder)
    summary = _json(folder / "summary.json")
    if summary.get("command") != COMMAND:
        raise BringupError(f"{folder} is not the folder of an evaluation: give one that `{COMMAND}` wrote")
    try:
        pushes = _json(folder / PUSHES_FILE)["pushes"]
        data = WalkerData(folder, summary, _json(folder / "run.json"), CurveTable.read(folder / CURVES_FILE), pushes)
        if not (data.figures and data.speeds and data.norms):
            raise BringupError(f"{folder}/summary.json is damaged: it holds no figures or no speeds")
    except (KeyError, TypeError) as error:
        raise BringupError(f"{folder} is damaged: {error} is missing") from error
    return data


def _json(file: Path) -> dict:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BringupError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise BringupError(f"{file} is damaged: {error}") from error

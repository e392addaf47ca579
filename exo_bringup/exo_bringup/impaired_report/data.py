# SPDX-License-Identifier: Apache-2.0
"""What an evaluation of patients left, read for its report."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from exo_bringup.errors import BringupError
from exo_sim.evaluation.exo.conditions import NO_DEVICE, UNPOWERED
from exo_sim.evaluation.exo.figures import at
from exo_sim.evaluation.impaired.assistance import COMPARED
from exo_sim.evaluation.impaired.cohort import COHORT_FILE, read_cohort
from exo_sim.evaluation.impaired.command import COMMAND, CURVES_FILE, SUMMARY_FILE
from exo_sim.evaluation.impaired.deficits import Deficit, load_deficits
from exo_sim.evaluation.impaired.walk import condition
from exo_sim.gait.curves import Curve, CurveTable
from exo_sim.gait.errors import GaitError
from exo_sim.measurement import Figure

#: Stands for a figure that is not there.
NOTHING = Figure("nothing", math.nan, "1")


@dataclass(frozen=True)
class NamedPatient:
    """Somebody who was named, as the summary holds them."""

    name: str
    side: str
    deficit: str
    healthy: str
    subject: Mapping[str, Any]

    @property
    def one_sided(self) -> bool:
        """Whether the impairments are all on one leg."""
        return len({name[-1] for value in self.subject.values() if isinstance(value, dict) for name in value}) < 2

    @property
    def title(self) -> str:
        """The name for people: "drop foot, right"."""
        words = self.name.replace("_", " ")
        for side in ("right", "left"):
            if words.endswith(f" {side}"):
                return f"{words.removesuffix(f' {side}')}, {side}"
        return words


@dataclass(frozen=True)
class ImpairedEvaluation:
    """A folder that `exo evaluate impaired` wrote; `cohort` is empty where there was none."""

    folder: Path
    summary: Mapping[str, Any]
    figures: Mapping[str, Figure]
    curves: CurveTable
    cohort: list[dict[str, Any]]

    @property
    def configuration(self) -> Mapping[str, Any]:
        """As it was run."""
        return self.summary["configuration"]

    @property
    def speed(self) -> float:
        """Commanded speed (m/s)."""
        return float(self.configuration["speed"])

    @cached_property
    def patients(self) -> list[NamedPatient]:
        """Named patients, in the order of the evaluation's figures."""
        known = {
            name: NamedPatient(name, p["side"], p["deficit"], p["healthy"], p["subject"])
            for name, p in self.configuration["patients"].items()
        }
        order = list(
            dict.fromkeys(name.split(".", 2)[1].split(":")[0] for name in self.figures if name.count(".") >= 2)
        )
        return sorted(known.values(), key=lambda p: order.index(p.name) if p.name in order else len(order))

    @cached_property
    def deficits(self) -> list[Deficit]:
        """Deficits whose severity series was walked."""
        return [deficit for deficit in load_deficits() if deficit.name in self.configuration["deficits"]]

    def worn(self, patient: str) -> list[str]:
        """Conditions that a patient walked in, of those with a device: unpowered, and under policies."""
        return [
            worn for worn in (UNPOWERED, *COMPARED) if at("walks", condition(patient, worn), self.speed) in self.figures
        ]

    def figure(self, name: str, patient: str, worn: str = NO_DEVICE) -> Figure:
        """A figure of a patient in a condition; NaN where it is not there."""
        return self.figures.get(at(name, condition(patient, worn), self.speed), NOTHING)

    def of_deficit(self, name: str, deficit: str) -> Figure:
        """A figure of a severity series; NaN where it is not there."""
        return self.figures.get(at(name, deficit, self.speed), NOTHING)

    def curve(self, patient: str, worn: str, variable: str, side: str) -> Curve | None:
        """Mean and SD over strides of all walks in a condition, or None."""
        try:
            curve = self.curves.get(condition(patient, worn), variable, side, self.speed)
        except GaitError:
            return None
        return curve if np.isfinite(curve.mean).all() else None


def load_impaired(folder: str | Path) -> ImpairedEvaluation:
    """Reads a folder of `exo evaluate impaired`.

    Raises:
        BringupError: not such a folder, or a damaged file.
        GaitError: damaged curves.
    """
    folder = Path(folder)
    try:
        summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
        figures = {f["name"]: Figure.from_entry(f) for f in summary["figures"]}
        configuration = summary["configuration"]
        missing = [key for key in ("speed", "patients", "deficits", "policies") if key not in configuration]
        if summary["command"] != COMMAND or missing:
            raise BringupError(f"{folder} is not a folder that `{COMMAND}` wrote")
        rows = read_cohort(folder / COHORT_FILE) if configuration.get("cohort") else []
    except OSError as error:
        raise BringupError(
            f"{folder} cannot be read ({error.strerror or error}); give a folder that `{COMMAND}` wrote"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        if isinstance(error, BringupError):
            raise
        raise BringupError(f"{folder} is damaged: {error}") from error
    curves = CurveTable() if rows else CurveTable.read(folder / CURVES_FILE)
    return ImpairedEvaluation(folder, summary, figures, curves, rows)

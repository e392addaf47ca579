# SPDX-License-Identifier: Apache-2.0
"""Stride-normalised curves as a tidy table: ``curves.csv``.

Columns: condition, speed_mps, side, variable, phase_percent, mean, sd. Phase is counted from that side's heel
strike; variables are described in ``exo_sim.gait.variables``; an empty cell is a value that is not known.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exo_core.files import whole_file
from exo_sim.errors import GaitError

PHASE_PERCENT = np.arange(101.0)
COLUMNS = ("condition", "speed_mps", "side", "variable", "phase_percent", "mean", "sd")
DIGITS = 6  # significant digits in the file


@dataclass(frozen=True)
class Curve:
    """Mean and SD over strides, (n,) each, at ``phase_percent`` (n,) from heel strike."""

    condition: str
    speed_mps: float
    side: str
    variable: str
    phase_percent: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @property
    def key(self) -> tuple[str, float, str, str]:
        return self.condition, self.speed_mps, self.side, self.variable


class CurveTable:
    """Curves by condition, speed (m/s), side ("r", "l") and variable, in the order they were added."""

    def __init__(self, curves: Iterable[Curve] = ()):
        self._curves: dict[tuple, Curve] = {}
        for curve in curves:
            self.add(curve)

    def __len__(self) -> int:
        return len(self._curves)

    def __iter__(self):
        return iter(self._curves.values())

    def add(self, curve: Curve) -> None:
        """Add a curve.

        Raises:
            GaitError: the key is there already, or lengths differ.
        """
        if curve.key in self._curves:
            raise GaitError(f"curve {curve.key} is in the table already")
        if not curve.phase_percent.shape == curve.mean.shape == curve.sd.shape:
            raise GaitError(f"curve {curve.key}: phase, mean and sd must be equally long")
        self._curves[curve.key] = curve

    def get(self, condition: str, variable: str, side: str, speed_mps: float | None = None) -> Curve:
        """One curve; the speed may be left out where the condition has only one.

        Raises:
            GaitError: no such curve, or several speeds and none given; the message lists what there is.
        """
        found = [
            curve
            for curve in self
            if (curve.condition, curve.variable, curve.side) == (condition, variable, side)
            and speed_mps in (None, curve.speed_mps)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            raise GaitError(
                f"{variable} of {condition} has several speeds, give one of "
                f"{sorted(curve.speed_mps for curve in found)}"
            )
        raise GaitError(
            f"no curve {variable}, side {side}, condition {condition}"
            + ("" if speed_mps is None else f", {speed_mps} m/s")
            + f"; conditions: {self.conditions}, variables: {self.variables}"
        )

    @property
    def conditions(self) -> list[str]:
        """Conditions in the order in which they were added."""
        return list(dict.fromkeys(curve.condition for curve in self))

    @property
    def variables(self) -> list[str]:
        """Variables in the order in which they were added."""
        return list(dict.fromkeys(curve.variable for curve in self))

    def write(self, path: str | Path) -> None:
        """Write ``curves.csv`` in one step.

        Raises:
            GaitError: the file cannot be written.
        """
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path, newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(COLUMNS)
                for curve in self:
                    writer.writerows(_rows(curve))
        except OSError as error:
            raise GaitError(
                f"cannot write {path}: {error.strerror}. Choose a folder that is writable and has free space"
            ) from error

    @classmethod
    def read(cls, path: str | Path) -> CurveTable:
        """Read a file that ``write`` made.

        Raises:
            GaitError: the file cannot be read, lacks a column, is cut or holds what is not a number.
        """
        try:
            with open(path, encoding="utf-8-sig", newline="") as file:  # spreadsheets put a byte order mark first
                reader = csv.DictReader(file)
                lacking = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
                if lacking:
                    raise GaitError(f"{path} lacks the column(s) {', '.join(lacking)}; is it a curves.csv?")
                groups: dict[tuple, list] = {}
                for row in reader:
                    if None in row.values():
                        raise GaitError(f"{path} is damaged: cut in line {reader.line_num}")
                    key = (row["condition"], _number(row["speed_mps"]), row["side"], row["variable"])
                    groups.setdefault(key, []).append([_number(row[name]) for name in COLUMNS[4:]])
        except OSError as error:
            raise GaitError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, TypeError) as error:
            if isinstance(error, GaitError):
                raise
            raise GaitError(f"{path} is damaged: {error}") from error
        for key, values in groups.items():
            if values[-1][0] != PHASE_PERCENT[-1] or len(values) != len(PHASE_PERCENT):
                raise GaitError(
                    f"{path} is cut: {key[3]} of {key[0]}, side {key[2]}, ends at {values[-1][0]:g} % of the stride"
                )
        return cls(Curve(*key, *np.array(values).T) for key, values in groups.items())


def _rows(curve: Curve):
    for phase, mean, sd in zip(curve.phase_percent, curve.mean, curve.sd, strict=False):
        yield (
            curve.condition,
            _text(curve.speed_mps),
            curve.side,
            curve.variable,
            _text(phase),
            _text(mean),
            _text(sd),
        )


def _text(value: float) -> str:
    return f"{value:.{DIGITS}g}" if np.isfinite(value) else ""


def _number(text: str) -> float:
    return float(text) if text != "" else float("nan")

# SPDX-License-Identifier: Apache-2.0
"""Everything a report knows about a run: what its folder holds, and in words what it lacks."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from exo_core.errors import UserError
from exo_core.joints import SIDES
from exo_device.description import DeviceDescription, DeviceError, load_device
from exo_device.devices import NO_DEVICE, device_file
from exo_lab.run_folder import RunFolder
from exo_sim.body.model import MODEL_LEG_LENGTH_M
from exo_sim.body.subject import Subject, load_subject
from exo_sim.errors import GaitError, SimError
from exo_sim.gait.curves import Curve, CurveTable
from exo_sim.gait.reference import NormativeGait
from exo_sim.gait.strides import read_coverage_warnings
from exo_sim.subjects import subject_file

CONDITIONS = ("unassisted", "assisted")
#: What lies beyond was written by no run.
LARGEST_NUMBER, MOST_FALLS = 1e12, 1_000_000
METABOLIC_POWER, METABOLIC_POWER_UMBERGER = "metabolic_power_per_mass", "metabolic_power_umberger_per_mass"


@dataclass(frozen=True)
class RunData:
    """One run.

    Attributes:
        strides: records of strides within a measured condition, as in strides.json.
        notes: what is missing and what the report therefore cannot show, one sentence each.
        norm: typically developing children and adolescents at this speed; None where the speed has no norm.
    """

    folder: RunFolder
    label: str
    configuration: Mapping
    record: Mapping
    summary: Mapping
    curves: CurveTable
    strides: list[Mapping]
    subject: Subject
    norm: NormativeGait | None
    notes: list[str] = field(default_factory=list)

    @property
    def speed_mps(self) -> float:
        """Commanded speed; NaN where it is not known."""
        return float(self.configuration.get("speed_mps", math.nan))

    @property
    def conditions(self) -> list[str]:
        """Conditions with curves or strides, in their usual order."""
        found = {*self.curves.conditions, *(stride["condition"] for stride in self.strides)}
        return [c for c in CONDITIONS if c in found] + sorted(found - set(CONDITIONS))

    @property
    def muscles(self) -> list[str]:
        """Muscles with an activation curve, without their side."""
        return [name.removeprefix("activation_") for name in self.curves.variables if name.startswith("activation_")]

    def device(self) -> DeviceDescription | None:
        """The device that was worn, None for none. Raises UserError if its file is gone or wrong."""
        name = self.configuration.get("device")
        if name in (None, "", NO_DEVICE):
            return None
        try:
            return load_device(device_file(name))
        except DeviceError as error:
            raise UserError(str(error)) from error

    def curve(self, condition: str, variable: str, side: str) -> Curve | None:
        """A curve, or None."""
        try:
            return self.curves.get(condition, variable, side)
        except GaitError:
            return None

    def norm_curve(self, variable: str) -> Curve | None:
        """Mean and SD of the norm, or None."""
        return self.norm.curve(variable) if self.norm and variable in NormativeGait.variables() else None

    def strides_of(self, condition: str, side: str | None = None) -> list[Mapping]:
        """Strides of a condition (of one side)."""
        return [s for s in self.strides if s["condition"] == condition and side in (None, s["side"])]

    def values(self, name: str, condition: str, side: str | None = None) -> np.ndarray:
        """A stride figure of all strides (of one side); those without it are left out."""
        found = [s[name] for s in self.strides_of(condition, side) if s.get(name) is not None]
        return np.array(found, dtype=float)

    def mean(self, name: str, condition: str, side: str | None = None) -> float:
        """Mean of `values`; NaN without strides."""
        values = self.values(name, condition, side)
        return float(values.mean()) if values.size else math.nan


def load_run(path: str | Path, unread: Sequence[str] = ()) -> RunData:
    """Read a run folder; whatever is missing ends up in `notes`.

    Args:
        unread: "summary" where it is about to be written anew.

    Raises:
        UserError: the folder holds nothing of a run, or a file in it is damaged.
    """
    folder = RunFolder(path)
    wanted = (folder.configuration, folder.curves, folder.strides, folder.summary, folder.record)
    if not any(file.is_file() for file in wanted):
        raise UserError(f"{folder.path} is not the folder of a run: give one that `exo sim` wrote")
    notes: list[str] = []
    configuration = (
        folder.read_configuration()
        if _is_there(folder.configuration, "subject, device and speed are not known", notes)
        else {}
    )
    record = _record(folder, _json(folder.record, "falls, faults and timing are not known", dict, notes))
    summary = {}
    if "summary" not in unread:
        summary = _json(folder.summary, "there are no figures and targets; `exo report` writes it", dict, notes)
    curves = (
        CurveTable.read(folder.curves)
        if _is_there(folder.curves, "there are no curves over the stride", notes)
        else CurveTable()
    )
    strides = _measured(folder, _json(folder.strides, "there are no stride figures", list, notes), configuration)
    if not len(curves) and folder.curves.is_file():
        notes.append("curves.csv is empty: no full stride was walked in a measured part of the run.")
    for condition in CONDITIONS:
        for side, name in zip(SIDES, ("right", "left"), strict=False):
            if len(curves) and not any((c.condition, c.side) == (condition, side) for c in curves):
                notes.append(f"There are no curves of the {name} leg {condition}: no clean stride of it was walked.")
    notes += read_coverage_warnings(folder.path)
    notes += [f"{change}." for change in record.get("changes") or []]
    if record.get("complete") is False:
        notes.append("The run was interrupted before its end.")
    subject = _subject(configuration, notes)
    norm = _norm(configuration, subject, notes)
    return RunData(folder, folder.path.name, configuration, record, summary, curves, strides, subject, norm, notes)


def _is_there(file: Path, consequence: str, notes: list[str]) -> bool:
    if not file.is_file():
        notes.append(f"{file.name} is missing: {consequence}.")
    return file.is_file()


def _json(file: Path, consequence: str, kind: type, notes: list[str]):
    if not _is_there(file, consequence, notes):
        return kind()
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file} is damaged: {error}") from error
    if not isinstance(content, kind):
        raise UserError(f"{file} is damaged: it holds no {kind.__name__}")
    return content


def _record(folder: RunFolder, record: Mapping) -> Mapping:
    """run.json, whose entries are what a run writes."""
    texts = ("device_faults", "changes")
    wrong = [name for name in texts if not _is_list_of(record.get(name, []), str)]
    wrong += [name for name in ("complete",) if not isinstance(record.get(name, True), bool)]
    falls = record.get("falls", 0)
    wrong += ["falls"] if isinstance(falls, bool) or not isinstance(falls, int) or not 0 <= falls < MOST_FALLS else []
    if wrong:
        raise UserError(f"{folder.record} is damaged: {wrong[0]} is {str(record[wrong[0]])[:40]!r}")
    return record


def _is_list_of(value: object, kind: type | tuple[type, ...]) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _check_stride(stride: Mapping) -> None:
    """Raise TypeError for a record that no run writes: numbers or None, lists of them, words for the words."""
    for name, value in stride.items():
        if name in ("condition", "side"):
            fits = isinstance(value, str)
        elif name in ("joint_names", "exo_joint_names"):
            fits = _is_list_of(value, str)
        else:
            fits = all(
                one is None or (isinstance(one, (int, float)) and abs(one) < LARGEST_NUMBER)
                for one in (value if isinstance(value, list) else [value])
            )
        if not fits:
            raise TypeError(f"{name} of a stride is {str(value)[:40]!r}")


def _measured(folder: RunFolder, strides: list, configuration: Mapping) -> list[Mapping]:
    """Strides that began and ended within a measured phase, as those in the curves."""
    phases = configuration.get("phases", [])
    try:
        begins = {later["name"]: float(earlier["until_s"]) for earlier, later in pairwise(phases)}
        for stride in strides:
            _check_stride(stride)
        return [
            s
            for s in strides
            if s["condition"] and s["side"] in SIDES and s["start"] >= begins.get(s["condition"], -math.inf)
        ]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise UserError(f"{folder.strides} or {folder.configuration.name} is damaged: {error}") from error


def _subject(configuration: Mapping, notes: list[str]) -> Subject:
    name = configuration.get("subject", "")
    try:
        return load_subject(subject_file(name) if name else None)
    except (UserError, SimError):
        notes.append(f"Subject '{name}' is no longer where it was: norms are for a leg of {MODEL_LEG_LENGTH_M:.2f} m.")
        return Subject()


def _norm(configuration: Mapping, subject: Subject, notes: list[str]) -> NormativeGait | None:
    try:
        norm = NormativeGait(float(configuration["speed_mps"]), MODEL_LEG_LENGTH_M * subject.length_scale)
    except (KeyError, TypeError, ValueError) as error:
        notes.append(
            "There are no normative bands: "
            + ("the speed is not known." if isinstance(error, KeyError) else f"{error}.")
        )
        return None
    if norm.clamped:
        notes.append("The speed lies outside the measured norm: bands are those of the nearest measured speed.")
    return norm

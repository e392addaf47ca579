# SPDX-License-Identifier: Apache-2.0
"""Random patients in one or more devices: one row each in a file, and saving against severity."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from exo_core.joints import SIDES
from exo_device.description import DeviceDescription
from exo_lab.conditions import CONTROLLERS, LEARNED, UNPOWERED
from exo_lab.evaluate.figures import cost_of_transport
from exo_lab.evaluate.patient_measures import ASYMMETRIES, asymmetry
from exo_sim.body.model import build_body
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLE_GROUPS
from exo_sim.body.subject import Subject
from exo_sim.measurement import Figure, mean_interval
from exo_sim.world.walk import WalkTask, walk

#: Whom a cohort is drawn from: stature (m) and body mass index (kg/m^2).
HEIGHT_M, BMI, MASS_KG = (1.55, 1.90), (19.0, 32.0), (45.0, 110.0)
#: Strength left of a patient's weak groups on average, and how far a group departs from that.
MEAN_STRENGTH, STRENGTH_SPREAD, WEAKEST = (0.35, 0.95), 0.15, 0.25
#: Share of patients with one weak side, as after a stroke or a nerve's injury.
ONE_SIDED_SHARE = 0.7
#: Keeps the random numbers of patients apart from those of walks with the same seed.
STREAM = 0x5EED
COHORT_FILE = "cohort.parquet"
#: Fewer patients who walked give no trend.
FEWEST_FOR_TREND = 4


@dataclass(frozen=True)
class CohortTask:
    """One patient in one device, walked without power and under the policy; picklable."""

    number: int
    unpowered: WalkTask
    assisted: WalkTask

    @property
    def device(self) -> str | DeviceDescription:
        """That is worn in both."""
        return self.assisted.device


def random_patient(number: int, seed: int) -> Subject:
    """Patient `number` of the cohort of a seed: the same one however large the cohort is."""
    random = np.random.default_rng((STREAM, seed, number))
    height = random.uniform(*HEIGHT_M)
    mass = float(np.clip(random.uniform(*BMI) * height**2, *MASS_KG))
    one_sided, side = random.random() < ONE_SIDED_SHARE, SIDES[int(random.integers(2))]
    among = [f"{group}_{side}" for group in MUSCLE_GROUPS] if one_sided else list(GROUPS_BY_SIDE)
    weak = sorted(random.choice(len(among), size=int(random.integers(1, len(among) + 1)), replace=False))
    mean = random.uniform(*MEAN_STRENGTH)
    left = np.clip(mean + random.uniform(-STRENGTH_SPREAD, STRENGTH_SPREAD, len(weak)), WEAKEST, 1.0)
    strengths = {among[i]: round(float(strength), 3) for i, strength in zip(weak, left, strict=False)}
    return Subject(
        name=f"patient_{number:04d}", height_m=round(float(height), 3), mass_kg=round(mass, 1), strengths=strengths
    )


def severity(subject: Subject) -> float:
    """Share of the maximum isometric force of all muscles of both legs that is missing (0 to 1)."""
    body = build_body(subject, None, 500.0, accelerometer=False)
    left = body.model.actuator_gainprm[: len(body.muscles), 2]
    return 1.0 - float(left.sum() / body.default_force.sum())


@dataclass(frozen=True)
class CohortRow:
    """What came of a patient's two walks, as a row of the table."""

    task: CohortTask
    row: dict[str, Any]

    def pack(self) -> tuple[dict, dict[str, np.ndarray]]:
        """All but the task as a JSON document and arrays, for a file."""
        return self.row, {}

    @classmethod
    def unpack(cls, task: CohortTask, document: dict, arrays: Mapping[str, np.ndarray]) -> CohortRow:
        """The reverse of `pack`."""
        return cls(task, document)


def walk_cohort(task: CohortTask) -> CohortRow:
    """The row of a patient in a device; NaN where somebody fell before a stride was measured.

    Raises:
        as `walk`.
    """
    subject, unpowered, assisted = task.unpowered.subject, walk(task.unpowered), walk(task.assisted)
    before, after = cost_of_transport(unpowered), cost_of_transport(assisted)
    row: dict[str, Any] = {
        "patient": subject.name,
        "number": task.number,
        "seed": task.unpowered.seed,
        "device": task.assisted.device,
        "policy": task.assisted.policy,
        "checkpoint": task.assisted.checkpoint,
        "digest": task.assisted.digest,
        "speed_mps": task.unpowered.speed_mps,
        "duration_s": task.unpowered.duration_s,
        "height_m": subject.height_m,
        "mass_kg": subject.mass_kg,
        "severity": severity(subject),
    }
    row |= {f"strength_{group}": subject.strengths.get(group, 1.0) for group in GROUPS_BY_SIDE}
    for worn, result in ((UNPOWERED, unpowered), (LEARNED, assisted)):
        row |= {
            f"walked_s_{worn}": result.walked_s,
            f"fell_{worn}": result.fell,
            f"faults_{worn}": result.faults,
            f"speed_mps_{worn}": result.scalar("speed"),
            f"metabolic_power_w_kg_{worn}": result.scalar("metabolic_power_per_mass"),
            f"cost_j_kg_m_{worn}": cost_of_transport(result),
        }
        row |= {f"asymmetry_{name}_percent_{worn}": asymmetry(result, name) for name in ASYMMETRIES}
    row["saving_percent"] = 100.0 * (1.0 - after / before)
    row |= {f"torque_{joint}_nm_kg": torque for joint, torque in assisted.torque.items()}
    return CohortRow(task, row)


def cohort_tasks(template: Sequence[WalkTask], count: int, seed: int) -> list[CohortTask]:
    """Every patient in every device.

    Args:
        template: a task for each device and policy, of whoever; under the policy, with the walker's paths and digests.
    """
    tasks = []
    for number in range(count):
        subject = random_patient(number, seed)
        for own in template:
            assisted = replace(own, person=subject.name, subject=subject, seed=seed + number)
            tasks.append(
                CohortTask(
                    number,
                    replace(assisted, condition=UNPOWERED, controller=CONTROLLERS[UNPOWERED], checkpoint=""),
                    assisted,
                )
            )
    return tasks


def write_cohort(path: Path, rows: Sequence[Mapping[str, Any]], about: Mapping[str, Any]) -> None:
    """Write the rows as Parquet, in one step; `about` goes into the file's metadata as JSON.

    Raises:
        OSError: it cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    from exo_sim.measurement import to_plain

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = pyarrow.table({name: [row.get(name) for row in rows] for name in names})
    table = table.replace_schema_metadata({"exo_gait": json.dumps(to_plain(about), sort_keys=True)})
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_bytes(buffer.getvalue())
    partial.replace(path)


def read_cohort(path: Path) -> list[dict[str, Any]]:
    """The rows of a file that `write_cohort` wrote.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no Parquet file.
    """
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


def cohort_figures(rows: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """By device: who walked, the mean saving, and its trend with severity. The unit of an interval is the patient."""
    figures = []
    for device in dict.fromkeys(str(row["device"]) for row in rows):
        own = [row for row in rows if row["device"] == device]
        name = Path(device).stem

        def figure(
            text: str, value: float, unit: str, interval: tuple[float, float] | None = None, name: str = name
        ) -> Figure:
            return Figure(f"{text}.{name}", value, unit, interval=interval)

        upright = whole(own)
        saving = np.array([row["saving_percent"] for row in upright])
        lost = np.array([row["severity"] for row in upright])
        mean, interval = mean_interval(saving)
        figures += [
            figure("cohort_patients", len(own), "1"),
            figure("cohort_walked_to_the_end", len(upright), "1"),
            figure("cohort_falls_unpowered", sum(row[f"fell_{UNPOWERED}"] for row in own), "1"),
            figure("cohort_falls_assisted", sum(row[f"fell_{LEARNED}"] for row in own), "1"),
            figure("cohort_saving", mean, "%", interval if len(upright) > 1 else None),
            figure("cohort_who_saves", float(np.mean(saving > 0.0)) if len(upright) else math.nan, "1"),
        ]
        if len(upright) >= FEWEST_FOR_TREND and np.ptp(lost) > 0.0:
            trend = stats.linregress(lost, saving)
            half = float(stats.t.ppf(0.975, len(upright) - 2) * trend.stderr)
            figures += [
                figure(
                    "cohort_saving_per_10_percent_severity",
                    0.1 * trend.slope,
                    "%",
                    (0.1 * (trend.slope - half), 0.1 * (trend.slope + half)),
                ),
                figure("cohort_saving_severity_rank_correlation", float(stats.spearmanr(lost, saving)[0]), "1"),
            ]
        for measure in ASYMMETRIES:
            change = [
                row[f"asymmetry_{measure}_percent_{LEARNED}"] - row[f"asymmetry_{measure}_percent_{UNPOWERED}"]
                for row in upright
            ]
            known = [value for value in change if math.isfinite(value)]
            mean, interval = mean_interval(known)
            figures.append(
                figure(f"cohort_asymmetry_{measure}_change", mean, "%", interval if len(known) > 1 else None)
            )
    return figures


def whole(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of those who did not fall in either walk and whose saving is known."""
    return [
        row
        for row in rows
        if not (row[f"fell_{UNPOWERED}"] or row[f"fell_{LEARNED}"])
        and row["saving_percent"] is not None
        and math.isfinite(row["saving_percent"])
    ]

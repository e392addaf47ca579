# SPDX-License-Identifier: Apache-2.0
"""Able-bodied walking at any speed: the joint angles that a walker imitates, and the normative curves it is held against.

The reference: Schwartz, Rozumalski and Trost 2008 (J Biomech 41:1639-1650), as six Fourier harmonics whose every
coefficient is a quadratic in the normalised speed v / sqrt(g L), in the joint coordinates of MyoLegs; see
``data/schwartz2008_fourier.json``. The normative curves: the same study, typically developing children, mean and SD
between subjects; source and licence are in the heads of ``data/schwartz2008_*.csv``. Their variables are those of
``exo_sim.gait.variables``, and besides them ``foot_progression`` (deg, toe-in +) and five ``emg_*`` (linear envelope
over its dynamic maximum).
"""

from __future__ import annotations

import csv
import json
from functools import lru_cache
from importlib import resources

import numpy as np

from exo_sim.errors import GaitError
from exo_sim.gait.curves import PHASE_PERCENT, Curve

LEG_JOINTS = (
    "hip_flexion",
    "hip_adduction",
    "hip_rotation",
    "knee_angle",
    "ankle_angle",
    "subtalar_angle",
    "mtp_angle",
)
JOINTS = tuple(f"{joint}_{side}" for side in "rl" for joint in LEG_JOINTS)

#: Hip (greater trochanter) height of the unscaled model (m); leg length in Schwartz et al. 2008's sense.
MODEL_LEG_LENGTH_M = 0.90
GRAVITY_M_S2 = 9.81  # the value the normalised speeds of the table were computed with
TABLE_NODES = 400  # nodes per stride; linear interpolation between them errs below 0.02 degrees
HARMONICS = 6

# MyoLegs carries its trunk rigidly on the pelvis. A pelvis that follows the measured anterior tilt would
# make the whole trunk lean, so the model's pelvis stays upright and the mean tilt is taken off the hip
# angle: the thigh has the same direction in space as in the data.
# The hip is then flexed by this much more: chosen by hand with the first walker, 1.1 degrees, inside the 1.4
# to 3.4 degrees by which laboratories disagree in offset. The feet land a little further ahead of the trunk.
HIP_FLEXION_OFFSET_RAD = 0.02
# Chosen by hand as well: the mean hip adduction of the data is nearly zero (a child's narrow base); 1.1
# degrees of abduction on each side set the feet about 4 cm further apart.
HIP_ADDUCTION_OFFSET_RAD = -0.02
# MyoLegs' knee ends at 0 rad, full extension. The reference keeps this distance from the stop, because
# tracking a target on the stop wins nothing and presses the joint into its limit.
KNEE_MINIMUM_RAD = 0.02

LEG_LENGTH_RANGE_M = (0.4, 1.4)  # hip (greater trochanter) height: from a small child to beyond any adult
PLAUSIBLE_SPEED_MPS = (0.0, 4.0)  # refuses mixed-up units (km/h); the data itself end near 2.06 m/s


@lru_cache(maxsize=1)
def _table() -> dict:
    text = (resources.files("exo_sim.gait") / "data" / "schwartz2008_fourier.json").read_text(encoding="utf-8")
    return json.loads(text)


class ReferenceGait:
    """Able-bodied joint angles over the stride at one walking speed and leg length.

    Args:
        speed_mps: forward walking speed, m/s, 0 to 4. Outside the measured range (0.51 to 2.06 m/s for a leg
            of 0.90 m) the posture and the stride time of the nearest measured speed are used.
        leg_length_m: height of the hip (greater trochanter) above the floor, m.

    Attributes:
        stride_time_s: duration of a stride (heel strike to heel strike of the same side), s.
        step_length_m: distance covered in half a stride at ``speed_mps``, m.
        stance_fraction: share of the stride with the foot on the floor, 0 to 1.
        normalised_speed: v / sqrt(g L) after clamping to the measured range.

    Raises:
        GaitError: speed or leg length not finite or out of range.
    """

    def __init__(self, speed_mps: float, leg_length_m: float = MODEL_LEG_LENGTH_M):
        speed = checked_range("speed_mps", speed_mps, PLAUSIBLE_SPEED_MPS)
        leg = checked_range("leg_length_m", leg_length_m, LEG_LENGTH_RANGE_M)
        table = _table()
        vn = float(np.clip(speed / np.sqrt(GRAVITY_M_S2 * leg), *table["normalised_speed_range"]))
        self.speed_mps = speed
        self.leg_length_m = leg
        self.normalised_speed = vn
        step_norm = np.exp(np.polyval(table["step_length"]["p"], np.log(vn)))
        self.stride_time_s = float(2.0 * step_norm / vn * np.sqrt(leg / GRAVITY_M_S2))
        self.step_length_m = 0.5 * speed * self.stride_time_s
        self.stance_fraction = float(np.polyval(table["stance_percent"]["q"], np.log(vn))) / 100.0
        self._angles, self._velocities = _leg_tables(table, vn, self.stride_time_s)

    def joint_angles(self, phase: np.ndarray) -> np.ndarray:
        """Joint angles at gait phases.

        Args:
            phase: (N,) stride fraction from right heel strike; any real number, one stride is 1. The left
                leg is at ``phase + 0.5``.

        Returns:
            (N, 14) rad, columns in the order of ``JOINTS``, signs of MyoLegs (flexion, adduction, internal
            rotation, dorsiflexion positive).

        Raises:
            GaitError: phase is not one-dimensional.
        """
        return _interpolate(self._angles, phase)

    def joint_velocities(self, phase: np.ndarray) -> np.ndarray:
        """Rates of ``joint_angles`` at the reference's own stride time: (N,) -> (N, 14) rad/s."""
        return _interpolate(self._velocities, phase)


def checked_range(name: str, value: float, allowed: tuple[float, float]) -> float:
    """``value`` as a float within ``allowed``; GaitError with the argument's name otherwise, also for NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise GaitError(f"{name} must be a number between {allowed[0]} and {allowed[1]}, got {value!r}") from None
    if not allowed[0] <= number <= allowed[1]:
        raise GaitError(f"{name} must be between {allowed[0]} and {allowed[1]}, got {number}")
    return number


def _series(coefficients: list, vn: float, phase: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One angle (rad) and its derivative by phase (rad per stride), each of phase's shape."""
    by_power = np.asarray(coefficients)
    c = by_power[0] + vn * by_power[1] + vn**2 * by_power[2]
    order = 2.0 * np.pi * np.arange(1, HARMONICS + 1)
    cosine, sine = np.cos(np.outer(phase, order)), np.sin(np.outer(phase, order))
    a, b = c[1::2], c[2::2]
    return np.deg2rad(c[0] + cosine @ a + sine @ b), np.deg2rad(cosine @ (order * b) - sine @ (order * a))


def _leg_tables(table: dict, vn: float, stride_time_s: float) -> tuple[np.ndarray, np.ndarray]:
    """Angles (rad) and rates (rad/s) of both legs, (TABLE_NODES + 1, 14) each; last row repeats the first."""
    phase = np.arange(TABLE_NODES) / TABLE_NODES
    curves = table["coefficients"]
    mean_tilt = _series(curves["pelvis_tilt"], vn, phase)[0].mean()
    hip, hip_rate = _series(curves["hip_flexion"], vn, phase)
    adduction, adduction_rate = _series(curves["hip_adduction"], vn, phase)
    obliquity, obliquity_rate = _series(curves["pelvis_obliquity"], vn, phase)
    knee, knee_rate = _series(curves["knee_flexion"], vn, phase)
    ankle, ankle_rate = _series(curves["ankle_dorsiflexion"], vn, phase)
    extended = knee < KNEE_MINIMUM_RAD
    # Hip rotation differs too much between laboratories (SD 11 degrees) to be followed; subtalar and toe
    # joint are not in the data. All three stay at 0.
    zero = np.zeros(TABLE_NODES)
    leg = np.stack(
        [
            hip - mean_tilt + HIP_FLEXION_OFFSET_RAD,
            adduction - obliquity + HIP_ADDUCTION_OFFSET_RAD,
            zero,
            np.where(extended, KNEE_MINIMUM_RAD, knee),
            ankle,
            zero,
            zero,
        ],
        axis=1,
    )
    rate = (
        np.stack(
            [
                hip_rate,
                adduction_rate - obliquity_rate,
                zero,
                np.where(extended, 0.0, knee_rate),
                ankle_rate,
                zero,
                zero,
            ],
            axis=1,
        )
        / stride_time_s
    )
    return _both_legs(leg), _both_legs(rate)


def _both_legs(right: np.ndarray) -> np.ndarray:
    left = np.roll(right, -(TABLE_NODES // 2), axis=0)
    both = np.concatenate([right, left], axis=1)
    return np.vstack([both, both[:1]])


def _interpolate(nodes: np.ndarray, phase: np.ndarray) -> np.ndarray:
    phase = np.asarray(phase, dtype=float)
    if phase.ndim != 1:
        raise GaitError(f"phase must be a one-dimensional array, got shape {phase.shape}")
    position = (phase - np.floor(phase)) * TABLE_NODES
    # a phase a rounding error below 1 lands on the last node exactly
    index = np.minimum(position.astype(np.intp), TABLE_NODES - 1)
    fraction = (position - index)[:, None]
    return nodes[index] * (1.0 - fraction) + nodes[index + 1] * fraction


def _read(name: str) -> list[dict[str, str]]:
    text = (resources.files("exo_sim.gait") / "data" / name).read_text(encoding="utf-8")
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

    def __init__(self, speed_mps: float, leg_length_m: float = MODEL_LEG_LENGTH_M):
        self.speed_mps = checked_range("speed_mps", speed_mps, PLAUSIBLE_SPEED_MPS)
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

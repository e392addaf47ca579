# SPDX-License-Identifier: Apache-2.0
"""This check looks at signs and zeros of joints and IMU on the wearer, with the motors off, before the first torque.

The wearer stands, lifts each leg, bends forward; what the sensors say is held against what was asked. A wrong sign, a
zero that was set while sitting, two cables exchanged and an IMU that is mounted another way all pass every other check
of the device: they look like another person's gait.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from exo_core.time import NANOSECONDS_PER_SECOND
from exo_device.description import SIDES, DeviceDescription
from exo_device.signals import STANDARD_GRAVITY_M_S2, DeviceState

#: Standing upright, joints of MyoLegs are at zero. Chosen: 10 degrees for how people stand and 5 for how a frame is
#: strapped on; half of what sitting would do.
ZERO_TOLERANCE_RAD = math.radians(15.0)
#: Both sides of one person are nearer to each other than to any table.
SIDES_TOLERANCE_RAD = math.radians(12.0)
#: So far (rad) a joint may go while the wearer stands still.
STILL_RAD = math.radians(6.0)
#: The pelvis stands this upright, in a belt that is put on by hand.
UPRIGHT_RAD = math.radians(20.0)
#: Specific force of somebody who stands still, as a share of gravity.
GRAVITY_SHARE = (0.9, 1.1)
#: Turning rate of somebody who stands still, in the mean (rad/s): 3 degrees per second.
STILL_RAD_S = 0.05
#: Orientation and specific force of a sound IMU agree on where up is.
UP_TOLERANCE_RAD = math.radians(15.0)
#: The other leg moves less than this share of the one that was asked to.
OTHER_SIDE_SHARE = 0.6
#: The reported speed, summed up, is the way that was gone, but for this share.
SPEED_SHARE = 0.5
#: Forward bend of the pelvis that is asked for, at least.
BEND_RAD = math.radians(20.0)
#: Who bends forward leans aside by less than this share of it; an IMU that is turned by 30 degrees makes more of it.
MOST_ASIDE = 0.5
#: Of so much of the beginning the median is the start (s).
START_S = 0.3
#: Fewer samples than this are no motion (at 100 Hz: half a second).
FEWEST_SAMPLES = 50

#: Motion by joint: what is asked, in which direction its angle goes then, how far at least (rad).
MOVES: dict[str, tuple[str, int, float]] = {
    "hip_flexion": ("", 1, math.radians(30.0)),
    "knee_angle": ("", 1, math.radians(30.0)),
    "ankle_angle": ("", 1, math.radians(8.0)),
    "hip_adduction": ("move the straight {side} leg out to the side, and back", -1, math.radians(10.0)),
    "hip_rotation": ("turn the {side} foot inwards on its heel, and back", 1, math.radians(10.0)),
    "subtalar_angle": ("tip the sole of the {side} foot inwards, and back", 1, math.radians(5.0)),
    "mtp_angle": ("curl the toes of the {side} foot towards the sole, and back", 1, math.radians(8.0)),
}
LIFT = "lift the {side} knee to the front as high as the hip, toes of that foot pulled up, and put the foot down again"
STAND = "stand upright, feet side by side, arms hanging, and keep still"
BEND = "bend forward from the hips by half a right angle, legs straight, and come up again"
SIDE_WORDS = {"r": "right", "l": "left"}


@dataclass(frozen=True)
class Recording:
    """The sensors' samples during one motion; arrays over samples (N,), joints (N, J) and axes (N, 3)."""

    names: tuple[str, ...]
    t: np.ndarray
    position: np.ndarray
    velocity: np.ndarray
    gyro: np.ndarray
    force: np.ndarray
    #: Up in the IMU's frame by its orientation; rows of NaN where it claims none.
    up: np.ndarray

    @classmethod
    def of(cls, states: list[DeviceState]) -> Recording:
        """Makes a recording of samples as a driver gives them."""
        return cls(
            states[0].names,
            np.array([(state.stamp_ns - states[0].stamp_ns) / NANOSECONDS_PER_SECOND for state in states]),
            np.array([state.position for state in states]),
            np.array([state.velocity for state in states]),
            np.array([state.imu.angular_velocity for state in states]),
            np.array([state.imu.linear_acceleration for state in states]),
            np.array([_up(state.imu.orientation_xyzw) for state in states]),
        )

    def from_start(self, values: np.ndarray) -> np.ndarray:
        """Values less those of the beginning."""
        return values - np.median(values[self.t <= START_S], axis=0)


@dataclass(frozen=True)
class Step:
    """One thing that the wearer is asked to do, and how it is judged."""

    instruction: str
    #: What is wrong, one line each; none when it is right. Notes what it measured.
    judge: Callable[[Recording, dict[str, Any]], Iterator[str]]


def steps(device: DeviceDescription, *, has_imu: bool) -> list[Step]:
    """Returns what is asked of the wearer of this device, in this order."""
    names = device.joint_names
    asked = [Step(STAND, lambda seen, notes: _standing(seen, notes, has_imu=has_imu))]
    for side in SIDES:
        lifted = [name for name in names if name.endswith(f"_{side}") and not MOVES[name.rpartition("_")[0]][0]]
        if lifted:
            asked.append(_moving(LIFT, side, lifted))
    for name in names:
        instruction = MOVES[name.rpartition("_")[0]][0]
        if instruction:
            asked.append(_moving(instruction, name[-1], [name]))
    if has_imu or any(name.startswith("hip_flexion") for name in names):
        asked.append(Step(BEND, lambda seen, notes: _bending(seen, notes, has_imu=has_imu)))
    return asked


def judged(step: Step, states: list[DeviceState], notes: dict[str, Any]) -> list[str]:
    """Returns what is wrong in the samples of one step; notes takes what was measured, by joint."""
    if len(states) < FEWEST_SAMPLES:
        return [f"only {len(states)} samples came: is the bus alive?"]
    return list(step.judge(Recording.of(states), notes))


def _moving(instruction: str, side: str, names: list[str]) -> Step:
    return Step(instruction.format(side=SIDE_WORDS[side]), lambda seen, notes: _moved(seen, notes, names))


def _standing(seen: Recording, notes: dict[str, Any], *, has_imu: bool) -> Iterator[str]:
    angle = dict(zip(seen.names, np.median(seen.position, axis=0), strict=True))
    sway = dict(zip(seen.names, np.ptp(seen.position, axis=0), strict=True))
    for name in seen.names:
        notes.setdefault(name, {})["standing_rad"] = round(float(angle[name]), 4)
        if sway[name] > STILL_RAD:
            yield f"{name} moved by {_deg(sway[name])}: stand still"
        elif abs(angle[name]) > ZERO_TOLERANCE_RAD:
            yield (
                f"{name} is at {_deg(angle[name])} while you stand upright: its zero is wrong (bench zero, or "
                "joint_offset_rad), or the frame sits askew"
            )
    for name in seen.names:
        other = f"{name[:-1]}l"
        if name.endswith("_r") and other in angle and abs(angle[name] - angle[other]) > SIDES_TOLERANCE_RAD:
            yield f"{name} is at {_deg(angle[name])} and {other} at {_deg(angle[other])}: one of their zeros is wrong"
    if has_imu:
        yield from _imu_at_rest(seen, notes)


def _imu_at_rest(seen: Recording, notes: dict[str, Any]) -> Iterator[str]:
    force = seen.force.mean(axis=0)
    size = float(np.linalg.norm(force))
    low, high = (share * STANDARD_GRAVITY_M_S2 for share in GRAVITY_SHARE)
    if not low <= size <= high:
        yield f"the IMU's specific force is {size:.2f} m/s^2 while you stand still, and must be {low:.1f} to {high:.1f}"
        return
    tilt = _angle(force, np.array([0.0, 0.0, 1.0]))
    notes["imu"] = {"standing_tilt_rad": round(tilt, 4)}
    if tilt > UPRIGHT_RAD:
        yield (
            f"the IMU's specific force is tilted by {_deg(tilt)} from its z axis while you stand: z must point up, x "
            "forward, y left (REP 145)"
        )
    rate = float(np.linalg.norm(seen.gyro.mean(axis=0)))
    if rate > STILL_RAD_S:
        yield f"the IMU says that you turn at {rate:.2f} rad/s while you stand: rad/s, and calibrated?"
    yield from _up_agrees(seen)


def _up_agrees(seen: Recording) -> Iterator[str]:
    up = seen.up.mean(axis=0)
    if np.isnan(up).any():
        return  # it claims no orientation, and need not
    apart = _angle(up, seen.force.mean(axis=0))
    if apart > UP_TOLERANCE_RAD:
        yield (
            f"the IMU's orientation and its specific force disagree by {_deg(apart)} on where up is: quaternion in the "
            "order x, y, z, w? z up? mounted as its driver believes?"
        )


def _moved(seen: Recording, notes: dict[str, Any], names: list[str]) -> Iterator[str]:
    way = seen.from_start(seen.position)
    for name in names:
        index = seen.names.index(name)
        _, sign, least = MOVES[name.rpartition("_")[0]]
        path = sign * way[:, index]
        reached, wrong_way = float(path.max()), float(-path.min())
        notes.setdefault(name, {})["moved_rad"] = round(sign * max(reached, wrong_way), 4)
        if max(reached, wrong_way) < least:
            instead = (
                f"; {_other_side(name)} moved: are the sides exchanged?" if _moved_by(seen, name, way) >= least else ""
            )
            yield (
                f"{name} moved by {_deg(max(reached, wrong_way))} only, and {_deg(least)} were wanted: move further"
                f"{instead}"
            )
        elif wrong_way > reached:
            yield f"{name} went the wrong way, by {_deg(wrong_way)}: its sign is wrong, in angle and torque alike"
        else:
            yield from _speed_agrees(seen, index, way[:, index])
            yield from _other_side_rests(seen, name, way, reached)


def _speed_agrees(seen: Recording, index: int, way: np.ndarray) -> Iterator[str]:
    peak = int(np.abs(way).argmax())
    summed = _summed(seen.velocity[: peak + 1, index], seen.t[: peak + 1])
    if abs(summed - way[peak]) > SPEED_SHARE * abs(way[peak]):
        yield (
            f"{seen.names[index]} moved by {_deg(way[peak])}, but its speed adds up to {_deg(summed)}: speed has "
            "another sign or scale than the angle"
        )


def _other_side_rests(seen: Recording, name: str, way: np.ndarray, reached: float) -> Iterator[str]:
    moved = _moved_by(seen, name, way)
    if moved > OTHER_SIDE_SHARE * reached:
        yield f"{_other_side(name)} moved by {_deg(moved)} as well: keep the other leg still"


def _other_side(name: str) -> str:
    return f"{name[:-1]}{'l' if name.endswith('r') else 'r'}"


def _moved_by(seen: Recording, name: str, way: np.ndarray) -> float:
    """Tells how far the same joint of the other side went (rad); 0 without one."""
    other = _other_side(name)
    return float(np.abs(way[:, seen.names.index(other)]).max()) if other in seen.names else 0.0


def _bending(seen: Recording, notes: dict[str, Any], *, has_imu: bool) -> Iterator[str]:
    way = seen.from_start(seen.position)
    for index, name in enumerate(seen.names):
        if name.startswith("hip_flexion"):
            low, high = float(way[:, index].min()), float(way[:, index].max())
            notes.setdefault(name, {})["bent_rad"] = round(high if high > -low else low, 4)
            if max(high, -low) < BEND_RAD:
                yield f"{name} flexed by {_deg(max(high, -low))} only, and {_deg(BEND_RAD)} were wanted"
            elif -low > high:
                yield f"{name} went the wrong way, by {_deg(low)}, as you bent forward: its sign is wrong"
    if has_imu:
        yield from _imu_bends(seen, notes)


def _imu_bends(seen: Recording, notes: dict[str, Any]) -> Iterator[str]:
    """Forward is a turn about y (left), in which x (forward) comes to point down and up comes to lie along -x."""
    pitch = seen.from_start(np.arctan2(-seen.force[:, 0], seen.force[:, 2]))
    roll = seen.from_start(np.arctan2(seen.force[:, 1], seen.force[:, 2]))
    peak = int(np.abs(pitch).argmax())
    notes.setdefault("imu", {})["bent_rad"] = round(float(pitch[peak]), 4)
    if np.abs(pitch).max() < BEND_RAD and np.abs(roll).max() >= BEND_RAD:
        yield "the IMU says that you bent to the side: its x axis must point forward and y left (REP 145)"
    elif np.abs(pitch).max() < BEND_RAD:
        yield f"the IMU bent by {_deg(pitch[peak])} only, and {_deg(BEND_RAD)} were wanted"
    elif pitch[peak] < 0.0:
        yield f"the IMU says that you bent backward, by {_deg(-pitch[peak])}: its x axis must point forward (REP 145)"
    elif np.abs(roll).max() > MOST_ASIDE * pitch[peak]:
        yield (
            f"the IMU bent by {_deg(pitch[peak])} and to the side by {_deg(np.abs(roll).max())}: bend straight ahead, "
            "or it is turned about the vertical, and its x axis must point forward (REP 145)"
        )
    else:
        turned = _summed(seen.gyro[: peak + 1, 1], seen.t[: peak + 1])
        if abs(turned - pitch[peak]) > SPEED_SHARE * pitch[peak]:
            yield (
                f"the IMU bent by {_deg(pitch[peak])}, but its turning rate about y adds up to {_deg(turned)}: axes or "
                "signs of the gyroscope are wrong, or it is not in rad/s"
            )
        yield from _up_agrees(seen)


def _up(xyzw: np.ndarray) -> np.ndarray:
    """The world's up direction in the frame of an orientation; NaN where it is none."""
    x, y, z, w = (float(value) for value in xyzw)
    size = x * x + y * y + z * z + w * w
    if not math.isfinite(size) or size < 1e-12:
        return np.full(3, math.nan)
    return np.array([2.0 * (x * z - w * y), 2.0 * (y * z + w * x), w * w - x * x - y * y + z * z]) / size


def _angle(a: np.ndarray, b: np.ndarray) -> float:
    cosine = float(a @ b) / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12)
    return math.acos(min(1.0, max(-1.0, cosine)))


def _summed(rate: np.ndarray, t: np.ndarray) -> float:
    return float((0.5 * (rate[1:] + rate[:-1]) * np.diff(t)).sum())


def _deg(angle_rad: float) -> str:
    return f"{math.degrees(angle_rad):.0f} deg"

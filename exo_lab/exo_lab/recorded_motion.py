# SPDX-License-Identifier: Apache-2.0
"""The walk in a recording as arrays over simulated time, for films and analyses of a finished run.

Reads MCAP by the message definitions within the file, so that neither ROS 2 nor the workspace is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from exo_core.errors import UserError
from exo_core.recordings import RecordingError, RecordingReader

#: Topics by what follows the namespace. The device's joint_states end like the body's, hence `exo/` first.
BODY_JOINTS, ROOT_POSE, HUMAN, DEVICE_JOINTS = (
    "joint_states",
    "sim/root_pose",
    "human/state",
    "exo/joint_states",
)
#: Two samples of one instant have stamps within this (s).
SAME_INSTANT_S = 1e-6


@dataclass(frozen=True)
class RecordedMotion:
    """Samples of N instants. World frame after REP-103, joint names and signs of MyoLegs.

    Attributes:
        time_s: (N,) simulated time.
        root_position: (N, 3) m, pelvis. root_orientation_xyzw: (N, 4).
        joint_names: J names. joint_position, joint_velocity: (N, J) rad, rad/s.
        muscle_names: M names. excitation, activation: (N, M), 0 to 1.
        metabolic_power_per_mass: (N,) W/kg, gross.
        contact: (N, 2) whether right and left foot bear load.
        force: (N, 2, 3) N, ground reaction on right and left foot.
        pressure_centre: (N, 2, 3) m, of right and left foot; NaN in the air.
        fallen: (N,) whether the person lies.
        device_names: D driven joints.
        device_torque: (N, D) Nm, applied by the device; NaN where it said nothing.
    """

    time_s: np.ndarray
    root_position: np.ndarray
    root_orientation_xyzw: np.ndarray
    joint_names: tuple[str, ...]
    joint_position: np.ndarray
    joint_velocity: np.ndarray
    muscle_names: tuple[str, ...]
    excitation: np.ndarray
    activation: np.ndarray
    metabolic_power_per_mass: np.ndarray
    contact: np.ndarray
    force: np.ndarray
    pressure_centre: np.ndarray
    fallen: np.ndarray
    device_names: tuple[str, ...]
    device_torque: np.ndarray

    def __len__(self) -> int:
        return len(self.time_s)

    def between(self, start_s: float, end_s: float) -> slice:
        """Samples from start_s to end_s, both included."""
        first, last = np.searchsorted(self.time_s, [start_s - SAME_INSTANT_S, end_s + SAME_INSTANT_S])
        return slice(int(first), int(last))


def read_motion(recording: Path) -> RecordedMotion:
    """Read the recording of a run.

    Raises:
        UserError: no such file, a damaged one, or one without the topics of a walking person.
    """
    topics = (BODY_JOINTS, ROOT_POSE, HUMAN, DEVICE_JOINTS)
    messages: dict[str, dict[float, object]] = {topic: {} for topic in topics}
    try:
        for topic, message in _decoded(recording, topics):
            stamp = message.header.stamp
            messages[topic][round(stamp.sec + 1e-9 * stamp.nanosec, 6)] = message
    except (AttributeError, TypeError) as error:
        raise UserError(f"{recording}: a topic is not of the type that it has here ({error})") from error
    common = sorted(set(messages[BODY_JOINTS]) & set(messages[ROOT_POSE]) & set(messages[HUMAN]))
    if not common:
        raise UserError(
            f"{recording} holds no walk: it needs the topics {BODY_JOINTS}, {ROOT_POSE} and {HUMAN}; "
            "record one with `exo sim` (without --no-record)"
        )
    try:
        return _assemble(common, messages)
    except ValueError as error:
        raise UserError(f"{recording} holds joints or muscles whose number changes under way") from error
    except (AttributeError, TypeError) as error:
        raise UserError(f"{recording}: a topic is not of the type that it has here ({error})") from error


def _assemble(times: list[float], messages: dict[str, dict[float, object]]) -> RecordedMotion:
    def table(topic: str, read: Callable) -> np.ndarray:
        return np.array([read(messages[topic][t]) for t in times], dtype=float)

    names, torque = _device(times, messages[DEVICE_JOINTS])
    return RecordedMotion(
        time_s=np.array(times),
        root_position=table(ROOT_POSE, lambda m: _vector(m.pose.position)),
        root_orientation_xyzw=table(
            ROOT_POSE,
            lambda m: (
                m.pose.orientation.x,
                m.pose.orientation.y,
                m.pose.orientation.z,
                m.pose.orientation.w,
            ),
        ),
        joint_names=tuple(messages[BODY_JOINTS][times[0]].name),
        joint_position=table(BODY_JOINTS, lambda m: list(m.position)),
        joint_velocity=table(BODY_JOINTS, lambda m: list(m.velocity)),
        muscle_names=tuple(messages[HUMAN][times[0]].muscle_names),
        excitation=table(HUMAN, lambda m: list(m.excitation)),
        activation=table(HUMAN, lambda m: list(m.activation)),
        metabolic_power_per_mass=table(HUMAN, lambda m: m.metabolic_power_per_mass),
        contact=table(HUMAN, lambda m: (m.contact_r, m.contact_l)).astype(bool),
        force=table(HUMAN, lambda m: (_vector(m.grf_r), _vector(m.grf_l))),
        pressure_centre=table(HUMAN, lambda m: (_vector(m.cop_r), _vector(m.cop_l))),
        fallen=table(HUMAN, lambda m: m.fallen).astype(bool),
        device_names=names,
        device_torque=torque,
    )


def _vector(message) -> tuple[float, float, float]:
    return message.x, message.y, message.z


def _device(times: list[float], states: dict[float, object]) -> tuple[tuple[str, ...], np.ndarray]:
    """Applied torque (N, D) at the times; NaN where the device sent no state of that instant."""
    if not states:
        return (), np.empty((len(times), 0))
    names = tuple(next(iter(states.values())).name)
    unknown = [np.nan] * len(names)
    return names, np.array([list(states[t].effort) if t in states else unknown for t in times], dtype=float)


def _decoded(recording: Path, topics: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    def wanted(topic: str) -> str:
        return max((name for name in topics if f"/{topic}".endswith(f"/{name}")), key=len, default="")

    if not recording.is_file():
        raise UserError(f"there is no recording {recording}: run `exo sim` without --no-record")
    reader = RecordingReader(recording)
    try:
        for message in reader.messages(lambda topic: bool(wanted(topic))):
            yield wanted(message.topic), message.decode()
    except RecordingError as error:
        raise UserError(f"{recording} is damaged: {error}") from error
    if not reader.is_complete:
        raise UserError(f"{recording} is damaged or was not closed")

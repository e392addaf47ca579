# SPDX-License-Identifier: Apache-2.0
"""Reads the device's states out of an MCAP recording. Needs no ROS."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from exo_device.drivers.base import DriverError, Settings
from exo_device.state import NANOSECONDS_PER_SECOND, DeviceState, ImuSample


class ReplayConfig(Settings):
    """Which recording, and how it plays."""

    #: MCAP file with exo/joint_states and exo/imu, as the recorder of `exo sim` writes it.
    path: str
    #: Recorded time per wall time.
    speed: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    #: Plays again from the start when it has ended; otherwise the end is a lost bus.
    repeat: bool = False
    #: now: samples are stamped with the time that they are played at. recorded: with their own stamps, for
    #: a device node in lockstep, which takes its time from them.
    stamps: Literal["now", "recorded"] = "now"
    #: Topics; a name without a leading slash fits in any namespace.
    joint_topic: str = "exo/joint_states"
    imu_topic: str = "exo/imu"


@dataclass
class Tape:
    """States in the order of their stamps."""

    states: list[DeviceState] = field(default_factory=list)
    #: False: more states may be appended while it plays.
    is_complete: bool = True


def load_tape(config: ReplayConfig) -> Tape:
    """Joint states of a recording, each with the IMU sample of its stamp or the one before.

    A recording whose recorder was killed is read up to where it breaks off. Raises DriverError with one line.
    """
    joints, imus = [], {}
    for name, message in _messages(config):
        stamp_ns = message.header.stamp.sec * NANOSECONDS_PER_SECOND + message.header.stamp.nanosec
        if name == config.imu_topic:
            imus[stamp_ns] = ImuSample.of_message(message)
        else:
            joints.append((stamp_ns, message))
    if not joints or not imus:
        lacking = config.joint_topic if not joints else config.imu_topic
        raise DriverError(f"{config.path}: no messages on {lacking}; a recording of `exo sim` has them")
    joints.sort(key=lambda entry: entry[0])
    stamps = np.array(sorted(imus))
    states = []
    for stamp_ns, message in joints:
        place = int(np.searchsorted(stamps, stamp_ns, side="right")) - 1
        if place >= 0 and (not states or stamp_ns > states[-1].stamp_ns):
            states.append(_state(message, stamp_ns, len(states), imus[int(stamps[place])]))
    return Tape(states)


def _messages(config: ReplayConfig) -> Iterator[tuple[str, object]]:
    """(configured topic, decoded message) of both topics."""
    try:
        from mcap.exceptions import McapError
        from mcap.records import Channel, Message, Schema
        from mcap.stream_reader import StreamReader
        from mcap_ros2.decoder import DecoderFactory
    except ModuleNotFoundError as error:
        raise DriverError("driver 'replay' needs mcap, mcap-ros2-support: pip install -r requirements.txt") from error
    path = Path(config.path)
    schemas: dict[int, Schema] = {}
    decoders: dict[int, tuple[str, object]] = {}
    taken: dict[str, str] = {}
    factory = DecoderFactory()
    try:
        with path.open("rb") as stream:
            for record in StreamReader(stream).records:
                if isinstance(record, Schema):
                    schemas[record.id] = record
                elif isinstance(record, Channel):
                    wanted = _wanted(record.topic, config)
                    if wanted is None:
                        continue
                    if taken.setdefault(wanted, record.topic) != record.topic:
                        raise DriverError(
                            f"{path}: both {taken[wanted]} and {record.topic} are {wanted}; "
                            "set joint_topic and imu_topic with a leading slash"
                        )
                    decoder = factory.decoder_for(record.message_encoding, schemas[record.schema_id])
                    decoders[record.id] = wanted, decoder
                elif isinstance(record, Message) and record.channel_id in decoders:
                    wanted, decoder = decoders[record.channel_id]
                    yield wanted, decoder(record.data)
    except OSError as error:
        raise DriverError(f"{path}: cannot read the recording: {error.strerror or error}") from error
    except (McapError, struct.error) as error:  # the latter where the file ends within a number
        if not decoders:
            raise DriverError(f"{path}: not a recording in MCAP: {' '.join(str(error).split())}") from error


def _wanted(topic: str, config: ReplayConfig) -> str | None:
    for name in (config.joint_topic, config.imu_topic):
        if topic == name or (not name.startswith("/") and topic.endswith("/" + name)):
            return name
    return None


def _state(message, stamp_ns: int, sequence: int, imu: ImuSample) -> DeviceState:
    count = len(message.name)
    return DeviceState(
        stamp_ns=stamp_ns,
        sequence=sequence,
        names=tuple(message.name),
        position=np.array(message.position),
        velocity=np.array(message.velocity),
        torque=np.array(message.effort),
        temperature=np.full(count, np.nan),
        error=np.zeros(count, dtype=int),
        bus_voltage=float("nan"),
        imu=imu,
    )

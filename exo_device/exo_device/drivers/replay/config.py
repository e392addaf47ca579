# SPDX-License-Identifier: Apache-2.0
"""Settings of the driver `replay`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class ReplayConfig(BaseModel):
    """Which recording, and how it plays."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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

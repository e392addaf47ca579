# SPDX-License-Identifier: Apache-2.0
"""Settings of the IMU beside a motor bus."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class ImuConfig(BaseModel):
    """Which IMU there is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: none: there is none. Every sample then says upright and at rest (identity orientation, no rotation,
    #: 9.81 m/s^2 upwards), which is not a measurement: use only policies that do not read the IMU. topic:
    #: sensor_msgs/Imu, REP 145, in the pelvis frame.
    source: Literal["none", "topic"] = "none"
    #: Topic of source `topic`, relative to the node's namespace.
    topic: str = "imu/data"
    #: An IMU sample older than this (s, since it arrived) is a lost IMU.
    max_age_s: Annotated[float, Field(gt=0.0, le=1.0)] = 0.03
    #: Name of the ROS node that listens.
    node_name: str = "device_imu"
    #: Namespace of that node; empty: as the process's ROS arguments say.
    namespace: str = ""

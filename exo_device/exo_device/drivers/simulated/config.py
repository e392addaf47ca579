# SPDX-License-Identifier: Apache-2.0
"""Settings of the driver `simulated`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class SimulatedConfig(BaseModel):
    """Where the simulated motors are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: ros: topics sim/motor_states and sim/motor_command. memory: within one process, for tests.
    transport: Literal["ros", "memory"] = "ros"
    #: Name of the ROS node that holds the bus's end.
    node_name: str = "device_motor_bus"
    #: Namespace of that node; empty: as the process's ROS arguments say.
    namespace: str = ""

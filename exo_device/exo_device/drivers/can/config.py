# SPDX-License-Identifier: Apache-2.0
"""Settings that every driver on a CAN bus has."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from exo_device.drivers.imu import ImuConfig

Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class Settings(BaseModel):
    """Frozen, and without settings that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CanConfig(Settings):
    """A CAN bus with motors."""

    #: python-can's names of the interface and the channel on it: socketcan and can0, slcan and /dev/ttyACM0,
    #: udp_multicast and 239.74.163.2, virtual and any name.
    interface: str
    channel: str
    #: Of the bus (bit/s), as set in the motors.
    bitrate: Annotated[int, Field(ge=125_000, le=1_000_000)] = 1_000_000
    #: Further settings that python-can takes for this interface, e.g. {port: 43113} or {ttyBaudrate:
    #: 2000000}.
    bus_options: dict[str, Any] = Field(default_factory=dict)
    #: Every motor is told its torque this often (Hz), whether there is a new one or not.
    bus_rate_hz: Annotated[float, Field(ge=50.0, le=1000.0)] = 400.0
    #: A motor that was not heard for this long (s) is a lost bus.
    reply_timeout_s: Annotated[float, Field(ge=0.005, le=5.0)] = 0.025
    #: Without a word from the device node for this long (s) the bus thread brings the torque down by itself.
    host_timeout_s: Annotated[float, Field(ge=0.02, le=5.0)] = 0.05
    #: ... within this time (s).
    host_ramp_s: Annotated[float, Field(ge=0.0, le=0.5)] = 0.05
    #: Where the IMU is: the motor bus carries none.
    imu: ImuConfig = ImuConfig()

    @property
    def cycles_per_sample(self) -> int:
        """Bus cycles to one sample."""
        return 1

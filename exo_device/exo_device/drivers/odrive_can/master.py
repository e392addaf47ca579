# SPDX-License-Identifier: Apache-2.0
"""The master of a bus with ODrives, which speak by themselves."""

from __future__ import annotations

from collections.abc import Callable

from exo_device.drivers.can.master import CanMaster
from exo_device.drivers.can.port import CanPort
from exo_device.drivers.imu import ImuSource
from exo_device.drivers.odrive_can.axis import Axis
from exo_device.drivers.odrive_can.config import ODriveConfig
from exo_device.state import DeviceState


class ODriveMaster(CanMaster):
    """Axes of the given joints; further arguments as of CanMaster."""

    advice = "check power, wiring, node_id and encoder_msg_rate_ms"
    motors: list[Axis]

    def __init__(
        self,
        config: ODriveConfig,
        joints: tuple[str, ...],
        port: CanPort,
        imu: ImuSource,
        *,
        steady_s: Callable[[], float],
        ros_ns: Callable[[], int],
        on_sample: Callable[[DeviceState], None],
    ) -> None:
        now_s = steady_s()
        axes = [Axis(joint, config.axes[joint], now_s) for joint in joints]
        super().__init__(config, axes, port, imu, steady_s=steady_s, ros_ns=ros_ns, on_sample=on_sample)

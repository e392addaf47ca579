# SPDX-License-Identifier: Apache-2.0
"""A motor bus as the driver `simulated` sees it, whatever carries it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from exo_device.command import MotorTorque
from exo_device.state import DeviceState


class MotorBus(ABC):
    """The device's end of a bus. receive and send are called from one thread, wake from any."""

    @abstractmethod
    def open(self) -> None:
        """Starts listening. Raises DriverError when it cannot."""

    @abstractmethod
    def receive(self, timeout_s: float) -> DeviceState | None:
        """The newest frame since the last call, as it came. None after timeout_s, or on wake()."""

    @abstractmethod
    def send(self, command: MotorTorque) -> None:
        """Sends a frame to the motors."""

    @abstractmethod
    def wake(self) -> None:
        """Makes a waiting receive() return early."""

    @abstractmethod
    def close(self) -> None:
        """Stops listening; may be called twice."""

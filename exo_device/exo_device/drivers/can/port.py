# SPDX-License-Identifier: Apache-2.0
"""One end of a CAN bus, and the frames that it carries. The only file of the drivers that imports python-can."""

from __future__ import annotations

import os
import select
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from exo_device.drivers.base import DriverError


@dataclass(frozen=True)
class Frame:
    """One data frame: identifier (11 bits, or 29 when extended) and up to eight bytes."""

    can_id: int
    data: bytes
    is_extended: bool = False


#: Bit of an error frame's identifier that says bus-off (Linux, include/uapi/linux/can/error.h,
#: CAN_ERR_BUSOFF).
ERROR_BUS_OFF = 0x40
#: A frame that the adapter has not taken after this time (s) is lost.
SEND_TIMEOUT_S = 0.01
#: More frames than any adapter keeps: a bus that babbles must not hold anybody up.
DRAIN_FRAMES = 4096
#: Interfaces of python-can that are a socket: a frame is there as soon as the socket can be read.
SOCKET_INTERFACES = ("socketcan", "udp_multicast")
#: More wakes than can have gathered (bytes).
WAKE_BYTES = 65536
HINTS = {
    "socketcan": "is it up? sudo ip link set {channel} up type can bitrate {bitrate}",
    "slcan": "is the adapter plugged in, and may this user open {channel}?",
    "udp_multicast": "the channel is a multicast address such as 239.74.163.2",
}


class PortError(Exception):
    """The bus cannot carry frames now; one line."""


class CanPort(ABC):
    """Sends and receives frames. Used by one thread at a time."""

    @abstractmethod
    def send(self, frame: Frame) -> None:
        """Puts a frame on the bus. Raises PortError when it cannot."""

    @abstractmethod
    def receive(self, timeout_s: float) -> Frame | None:
        """The next data frame, None without one in timeout_s. Raises PortError when the bus is lost."""

    def wake(self) -> None:
        """Makes a waiting receive() return early, from any thread. A port that cannot does nothing."""

    @abstractmethod
    def close(self) -> None:
        """Gives the bus back; may be called twice."""


class PythonCanPort(CanPort):
    """Any interface of python-can."""

    def __init__(self, interface: str, channel: str, bitrate: int, options: dict[str, Any] | None = None) -> None:
        """Raises DriverError, with what to do, when the interface cannot be opened."""
        try:
            import can
        except ModuleNotFoundError as error:
            raise DriverError("python-can is not installed: pip install -r requirements.txt") from error
        self._can = can
        try:
            self._bus = can.Bus(interface=interface, channel=channel, bitrate=bitrate, **(options or {}))
        except (can.CanError, OSError, ValueError, TypeError, NotImplementedError, ImportError) as error:
            hint = HINTS.get(interface, "python-can's documentation lists its interfaces and their settings")
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DriverError(
                f"CAN interface '{interface}', channel '{channel}' cannot be opened "
                f"({reason}); " + hint.format(channel=channel, bitrate=bitrate)
            ) from error
        self._wake_lock = threading.Lock()
        self._wakes = interface in SOCKET_INTERFACES
        if self._wakes:
            self._woken, self._waker = os.pipe()
            os.set_blocking(self._woken, False)
            os.set_blocking(self._waker, False)

    def send(self, frame: Frame) -> None:
        message = self._can.Message(arbitration_id=frame.can_id, data=frame.data, is_extended_id=frame.is_extended)
        try:
            self._bus.send(message, timeout=SEND_TIMEOUT_S)
        except (self._can.CanError, OSError) as error:
            raise PortError(" ".join(str(error).split())) from error

    def receive(self, timeout_s: float) -> Frame | None:
        try:
            message = self._bus.recv(self._wait(max(timeout_s, 0.0)))
        except (self._can.CanError, OSError, ValueError) as error:
            raise PortError(" ".join(str(error).split())) from error
        if message is None or message.is_remote_frame or message.is_fd:
            return None
        if message.is_error_frame:
            if message.arbitration_id & ERROR_BUS_OFF:
                raise PortError("bus-off: the adapter has left the bus after too many errors")
            return None
        return Frame(message.arbitration_id, bytes(message.data), message.is_extended_id)

    def _wait(self, timeout_s: float) -> float:
        """Waits for a frame or for wake(), where it can. Returns how long python-can may still wait (s)."""
        if not self._wakes:
            return timeout_s
        readable, _, _ = select.select([self._bus.fileno(), self._woken], [], [], timeout_s)
        if self._woken in readable:
            os.read(self._woken, WAKE_BYTES)
        return 0.0

    def wake(self) -> None:
        with self._wake_lock:
            if self._wakes:
                try:
                    os.write(self._waker, b"w")
                except BlockingIOError:  # so many wait already that it will wake
                    pass

    def close(self) -> None:
        try:
            self._bus.shutdown()
        except (self._can.CanError, OSError):  # an adapter that was pulled out cannot be closed any more
            pass
        with self._wake_lock:
            if self._wakes:
                self._wakes = False
                os.close(self._woken)
                os.close(self._waker)


def drain(port: CanPort) -> None:
    """Throws away what the bus has brought so far."""
    try:
        for _ in range(DRAIN_FRAMES):
            if port.receive(0.0) is None:
                return
    except PortError:  # whoever uses the bus next will hear of it
        pass

# SPDX-License-Identifier: Apache-2.0
"""One end of a CAN bus, and the frames that it carries. The only file of the drivers that imports python-can."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import socket
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exo_core.errors import UserError
from exo_core.files import open_lock_file, runtime_folder
from exo_device.drivers.base import DriverError


@dataclass(frozen=True)
class Frame:
    """One data frame: identifier (11 bits, or 29 when extended) and up to eight bytes."""

    can_id: int
    data: bytes
    is_extended: bool = False


#: Bit of an error frame's identifier that says bus-off (Linux, include/uapi/linux/can/error.h, CAN_ERR_BUSOFF).
ERROR_BUS_OFF = 0x40
#: A frame that the adapter has not taken after this time (s) is lost.
SEND_TIMEOUT_S = 0.01
#: More frames than any adapter keeps: a bus that babbles must not hold anybody up.
DRAIN_FRAMES = 4096
#: Interfaces of python-can that are a socket: a frame is there as soon as the socket can be read.
SOCKET_INTERFACES = ("socketcan", "udp_multicast")
#: python-can's bus within one process; other programs cannot reach it.
WITHIN_PROCESS = "virtual"
#: For lock files of programs of any user (Filesystem Hierarchy Standard).
SHARED_LOCKS = Path("/run/lock")
#: Linux, include/uapi/linux/in.h and in6.h; Python does not name them.
IP_MULTICAST_ALL, IPV6_MULTICAST_ALL = 49, 29
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


def one_name(channel: str) -> str:
    """A channel by the one name of its device: a serial adapter has links to it, and slcan takes a bit rate after @."""
    device = channel.partition("@")[0]
    return os.path.realpath(device) if os.path.isabs(device) else channel


class MasterLock:
    """Held by the one program of this computer that commands the motors on a channel.

    A file is locked (flock), which ends with the process however that ends. It lies in /run/lock, where users share
    it, else in the user's own folder for such files. Raises DriverError when another program holds it.
    """

    def __init__(self, interface: str, channel: str, folder: Path | None = None) -> None:
        name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{interface}-{one_name(channel)}").strip("-")
        try:
            folder = folder or (SHARED_LOCKS if os.access(SHARED_LOCKS, os.W_OK) else runtime_folder())
            path = folder / f"exo_gait-{name}.lock"
            handle = open_lock_file(path, shared=True)
        except UserError as error:
            raise DriverError(str(error)) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(handle)
            raise DriverError(
                f"another program already commands the motors on {interface} {channel} (it holds {path}): end it first"
            ) from error
        self._file: int | None = handle

    def release(self) -> None:
        """Gives the lock back; may be called twice."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _hear_own_group_only(fileno: int) -> None:
    """Linux brings a multicast socket the groups of all others on its port too, unless it is told not to."""
    with socket.socket(fileno=os.dup(fileno)) as same:
        with contextlib.suppress(OSError):  # another system
            if same.family == socket.AF_INET6:
                same.setsockopt(socket.IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0)
            else:
                same.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)


class PythonCanPort(CanPort):
    """Any interface of python-can.

    is_master: to command motors, which only one program of this computer may do on a channel. Listeners, emulators
    and guardians do not.
    """

    def __init__(
        self,
        interface: str,
        channel: str,
        bitrate: int,
        options: dict[str, Any] | None = None,
        *,
        is_master: bool = False,
    ) -> None:
        """Raises DriverError, with what to do, when the interface cannot be opened."""
        self._lock = None
        try:
            import can
        except ModuleNotFoundError as error:
            raise DriverError("python-can is not installed: pip install -r requirements.txt") from error
        self._can = can
        if is_master and interface != WITHIN_PROCESS:
            # a multicast group is as many buses as it has ports
            port = (options or {}).get("port", "")
            self._lock = MasterLock(interface, f"{channel}-{port}" if port else channel)
        try:
            self._bus = can.Bus(interface=interface, channel=channel, bitrate=bitrate, **(options or {}))
        except (can.CanError, OSError, ValueError, TypeError, NotImplementedError, ImportError) as error:
            hint = HINTS.get(interface, "python-can's documentation lists its interfaces and their settings")
            reason = " ".join(str(error).split()) or type(error).__name__
            self._release()
            raise DriverError(
                f"CAN interface '{interface}', channel '{channel}' cannot be opened "
                f"({reason}); " + hint.format(channel=channel, bitrate=bitrate)
            ) from error
        if interface == "udp_multicast":
            _hear_own_group_only(self._bus.fileno())
        self._wake_lock = threading.Lock()
        self._wakes = interface in SOCKET_INTERFACES
        if self._wakes:
            self._woken, self._waker = os.pipe()
            os.set_blocking(self._woken, False)
            os.set_blocking(self._waker, False)
        if interface == "udp_multicast":
            drain(self)  # until _hear_own_group_only the socket took in frames of other buses too

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
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()


def drain(port: CanPort) -> None:
    """Throws away what the bus has brought so far."""
    try:
        for _ in range(DRAIN_FRAMES):
            if port.receive(0.0) is None:
                return
    except PortError:  # whoever uses the bus next will hear of it
        pass

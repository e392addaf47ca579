# SPDX-License-Identifier: Apache-2.0
"""The contract between the device node and any motors: simulated, on a CAN bus, or behind ros2_control.

A driver carries states and torques; it decides nothing. Limits, watchdogs and arming are the supervisor's,
which is the same code in front of every driver. A driver with a bus of its own may run a thread: read() then
hands out the newest complete sample, and write() leaves the torque for the thread to send at the bus's rate.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from exo_device.signals import DeviceState, MotorTorque

#: Numbers in a driver's settings.
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
#: Joint angle (rad) where a motor reports zero: half a turn at most. More is another turn, or degrees.
Offset = Annotated[float, Field(ge=-math.pi, le=math.pi)]


class Settings(BaseModel):
    """A driver's settings, or a part of them: frozen, and without settings that nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DriverError(ValueError):
    """Motors or bus cannot be used; the message is one line that says what to do."""


def require_at_most(driver: str, settings: object, loosest: Mapping[str, float], prefix: str = "") -> None:
    """Raises DriverError for a setting that is off, or looser than where somebody wears the motors."""
    for name, limit in loosest.items():
        value = getattr(settings, name, limit)
        if value is None or value > limit:
            raise DriverError(
                f"driver '{driver}': {prefix}{name} is {'off' if value is None else f'{value:g}'}, and at most "
                f"{limit:g} where somebody wears the motors (emulated ones: use_mock_hardware)"
            )


class Driver(ABC):
    """One device's motors and IMU.

    Order of calls: connect, configure, then read and write from one thread, disconnect. As a context manager
    it connects, and disconnects whatever happens. wake() alone may be called from another thread.
    """

    #: Name it is chosen by, and its settings.
    name: ClassVar[str]
    config: Settings
    #: Whether its torque reaches motors, which somebody may wear. Then time is that of the world, and limits are those
    #: of real motors.
    has_real_motors: ClassVar[bool] = True
    #: Whether a simulator is behind it, whose time may stand still and whose person may be put somewhere else.
    is_simulation: ClassVar[bool] = False

    @property
    def measures_torque(self) -> bool:
        """Tells whether the applied torque in its states answers the motor torque.

        It does not where it was recorded, or is not there.
        """
        return True

    def use_clock(self, ros_ns: Callable[[], int]) -> None:
        """ROS time (ns) of the node that owns the driver, before connect. A driver that stamps its samples
        itself takes it, so that they are in simulated time where the rest of the graph is."""

    @property
    def bus_name(self) -> str:
        """Which motors these are, on this computer, for what is kept about them."""
        return self.name

    @property
    def is_emulated(self) -> bool | None:
        """Tells whether its bus leads to emulated motors, which nobody can wear; None where that cannot be seen."""
        return None if self.has_real_motors else True

    def require_wearable(self) -> None:
        """Raises DriverError for settings that only emulated motors may have: where somebody wears the device."""

    def largest_torque_nm(self, joint: str) -> float:
        """Torque (Nm) of joint at the end of what can be told to its motor; infinite where nobody knows."""
        return math.inf

    def limit(self, torque_nm: dict[str, float]) -> None:
        """Largest torque (Nm, either sign) of each joint, after configure: a second clamp behind the supervisor's, in
        whatever sends to the motors. A driver without a thread of its own may leave it out."""

    def arming_obstacle(self) -> str:
        """Says why these motors must not be given torque now although they may report nothing wrong.

        "" where nothing is in the way. It is asked when somebody wants to arm; callable from any thread.
        """
        return ""

    def warnings(self) -> list[str]:
        """Returns what whoever starts this driver ought to know, a line each, once it is configured."""
        return []

    def confirm_zeros(self) -> str:
        """Somebody has looked and says that every joint's angle is right: zeros that the driver had stopped to trust
        are trusted again. Returns what was confirmed, in words. Raises DriverError while the motors are on."""
        return "no zero was in doubt"

    def doubted_zeros(self) -> dict[str, str]:
        """Says why a joint's zero is not trusted, by joint: for the next driver of the same motors."""
        return {}

    def doubt_zeros(self, doubts: Mapping[str, str]) -> None:
        """Takes over why joints' zeros are not to be trusted: from an earlier driver of these motors, or by what their
        angles did."""

    @abstractmethod
    def connect(self) -> None:
        """Opens the transport. Raises DriverError when it cannot. Motors stay as they are."""

    @abstractmethod
    def configure(self, joint_names: tuple[str, ...]) -> None:
        """Says which joints are driven, and in which order. Motors stay disabled. Raises DriverError for a
        joint that this driver cannot drive. The motors need not answer yet."""

    @abstractmethod
    def read(self, timeout_s: float) -> DeviceState | None:
        """The newest sample not handed out before, in the order of configure; waits for one up to timeout_s.

        None when there is none by then, or on wake(). Raises DriverError when the bus is lost or what it
        carries is no sample of this device; a later call may succeed again.
        """

    @abstractmethod
    def write(self, motor_torque: MotorTorque) -> MotorTorque:
        """Gives the motor torque to the motors, or disables them. Does not wait.

        Returns the torque that is really applied: a motor that can do less, or counts in coarse steps, says so here.
        Raises DriverError when the bus is lost.
        """

    def checked(self, motor_torque: MotorTorque, joint_names: tuple[str, ...]) -> MotorTorque:
        """The motor torque to send, which is zero where the motors are to be off.

        Raises DriverError where it is not for the joints of configure.
        """
        if motor_torque.names != joint_names:
            raise DriverError(f"torque for {motor_torque.names}, but configured for {joint_names}")
        if motor_torque.enable:
            return motor_torque
        return MotorTorque.off(joint_names, motor_torque.state_stamp_ns, motor_torque.sequence)

    def wake(self) -> None:
        """Makes a waiting read() return early; callable from any thread. A driver that cannot may leave it
        out: a command then waits for the next sample."""

    @abstractmethod
    def disconnect(self) -> None:
        """Zero torque, motors disabled, transport closed. At any time, and twice; never raises."""

    def __enter__(self) -> Driver:
        self.connect()
        return self

    def __exit__(self, *_: object) -> None:
        self.disconnect()

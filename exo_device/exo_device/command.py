# SPDX-License-Identifier: Apache-2.0
"""What a policy asks of a device, and what the supervisor makes of it for the motors. No ROS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TorqueRequest:
    """Torques a policy asks for. Nothing in it is trusted: the supervisor checks names, numbers and times."""

    #: Stamp of the state that it answers (ns, ROS time).
    state_stamp_ns: int
    #: Counts the requests of one policy up by one, wrapping at 2^32.
    sequence: int
    #: No names at all ask for no torque on any joint.
    names: tuple[str, ...]
    #: Nm, sign of the joint, in the order of names; shape (len(names),).
    torque: np.ndarray


@dataclass(frozen=True)
class MotorTorque:
    """What goes to the motors, and what a driver reports as really applied."""

    #: Stamp (ns, ROS time) and number of the state that it answers.
    state_stamp_ns: int
    sequence: int
    #: False: the motors are off, and torque is zero.
    enable: bool
    names: tuple[str, ...]
    #: Nm, sign of the joint, in the order of names; shape (J,).
    torque: np.ndarray

    @staticmethod
    def off(names: tuple[str, ...], state_stamp_ns: int = 0, sequence: int = 0) -> MotorTorque:
        """No torque and motors disabled."""
        return MotorTorque(state_stamp_ns, sequence, False, names, np.zeros(len(names)))

# SPDX-License-Identifier: Apache-2.0
"""Person, device and policy in one process and in lockstep: the graph without ROS, for training and evaluation.

The same supervisor and controllers as in device_node and policy_node run here, in the same order of events.
"""

from __future__ import annotations

import numpy as np

from exo_core.time import to_ns
from exo_device.safety import Instant, Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command
from exo_policy.controllers import controller_params, make_controller
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE
from exo_sim.errors import SimError
from exo_sim.plant.sample import SimulationSample
from exo_sim.plant.simulation import Simulation

NO_CONTROLLER = "none"
#: Arming takes a few control periods; a supervisor that takes longer (s) will not arm at all.
ARMING_PATIENCE_S = 1.0


class OfflineLoop:
    """Walks one simulation under one controller.

    Args:
        simulation: with or without a device.
        controller: name of a controller of exo_policy, or "none" for a device that stays off (or is not there).
        assumed_mass: what device and policy take for the wearer's mass (kg); None for the true one.
        params: of the controller (checkpoint, peaks). A controller that may be told the wearer's strengths is told the
            true ones, unless `strengths` says others.

    Raises:
        ControllerError, CheckpointError: a controller that cannot be made.
        SimError: a controller for a person without a device.
    """

    def __init__(
        self, simulation: Simulation, controller: str = NO_CONTROLLER, assumed_mass: float | None = None, **params
    ):
        self.simulation = simulation
        self.controller_name = controller
        self._torque: dict[str, float] = {}
        self._sequence = 0
        self._supervisor: SafetySupervisor | None = None
        device = simulation.body.device
        if controller == NO_CONTROLLER:
            return
        if device is None:
            raise SimError(f"controller '{controller}' needs a device; give one, or choose '{NO_CONTROLLER}'")
        mass = simulation.body.body_mass if assumed_mass is None else assumed_mass
        if "strengths" in controller_params(controller):
            params.setdefault("strengths", dict(zip(GROUPS_BY_SIDE, simulation.body.strengths.tolist(), strict=False)))
        self._supervisor = SafetySupervisor(device, mass, SafetyConfig(lockstep=True))
        self._controller = make_controller(
            controller,
            joint_names=device.joint_names,
            wearer_mass=mass,
            torque_limit=device.torque_limits(mass),
            **params,
        )
        self._supervisor.arm(self._now())
        self._armed_by = simulation.t + ARMING_PATIENCE_S

    @property
    def faults(self) -> str:
        """Cause of a latched fault of the supervisor; empty when there is none."""
        stopped = self._supervisor is not None and self._supervisor.mode in (Mode.FAULT, Mode.STOPPING)
        return self._supervisor.snapshot(self._now()).cause if stopped else ""

    @property
    def bites(self) -> dict[str, np.ndarray]:
        """By limit, which joints (J,) the device took torque from in this control period; empty while it gives none."""
        return self._supervisor.bites if self._supervisor is not None and self._supervisor.mode is Mode.ACTIVE else {}

    def step(self) -> SimulationSample:
        """One control period: state to controller, its answer through the supervisor, torque to the motors."""
        if self._supervisor is not None:
            self._answer()
        return self.simulation.advance(self._torque)

    def _now(self) -> Instant:
        return Instant(to_ns(self.simulation.t), to_ns(self.simulation.t))

    def _answer(self) -> None:
        now, motors = self._now(), self.simulation.sample.motors
        self._supervisor.on_state(motors.device_state(now.ros_ns, self._sequence), now)
        # as in the graph, the policy gives zero torque until the device is active
        wanted = self._controller.update(motors.observation(self.simulation.t))
        if self._supervisor.mode is not Mode.ACTIVE:
            wanted = np.zeros(len(motors.names))
        self._supervisor.on_command(Command(now.ros_ns, self._sequence, motors.names, wanted), now)
        command = self._supervisor.update(now)
        self._sequence += 1
        self._torque = dict(zip(command.names, command.torque, strict=False)) if command.enable else {}
        if self._supervisor.mode is Mode.ARMING and self.simulation.t > self._armed_by:
            raise SimError("the safety supervisor did not arm; check the device's limits and sensors")

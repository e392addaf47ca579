# SPDX-License-Identifier: Apache-2.0
"""simulator_node: the world, in sim time. Thin: the person, the device's motors and the measurement are elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from exo_core.ros import run_node
from exo_device.description import load_device
from exo_sim.body.subject import load_subject
from exo_sim.plant.gait_measurement import GaitMeasurement
from exo_sim.plant.simulation import Simulation
from exo_sim.ros import parameters
from exo_sim.ros.interface import DISPLAY_DIVIDER, SimulatorInterface

#: While paused, motor states go out with a frozen stamp this often (s, wall time): the bus stays alive.
PAUSED_PERIOD_S = 0.02
#: Lockstep sends an unanswered state again after this wall time (s), and complains after the longer one.
REPEAT_AFTER_S = 0.1
COMPLAIN_AFTER_S = 5.0
#: `realtime` and `fast` walk on without an answer after this wall time (s): on a busy machine sim time slows down
#: rather than that a late device counts as a lost one.
WALK_ON_AFTER_S = 0.1
#: Sim time that is lost against the wall clock is given up beyond this (s), instead of hurrying after it.
LARGEST_LAG_S = 0.1


class SimulatorNode(Node):
    """Advances the simulation by one control period at a time and lets others see and steer it."""

    def __init__(self) -> None:
        super().__init__("simulator_node")
        chosen = parameters.read(self)
        self._mode, self._folder = chosen.mode, chosen.run_directory
        device = load_device(chosen.device_config)
        self.simulation = Simulation(
            load_subject(chosen.subject),
            device,
            human=chosen.human_checkpoint,
            speed_mps=chosen.speed_mps,
            physics_rate_hz=chosen.physics_rate_hz,
            seed=chosen.seed,
        )
        self.measurement = GaitMeasurement(self.simulation.body.body_mass, self.simulation.period_s)
        self.interface = SimulatorInterface(self, self.simulation, self.measurement, device.imu.frame_id)
        self.interface.paused = chosen.start_paused
        self._run_until_s = chosen.run_until_s
        self._pace = chosen.pace
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self)
        self._steps, self._falls = 0, 0
        self._unanswered_since: int | None = None
        self._wall_of_second = time.monotonic()
        self.measurement.begin(chosen.condition, self.simulation.commanded_speed)
        self.add_on_set_parameters_callback(self._on_parameters)
        self.get_logger().info(f"subject '{self.simulation.subject.name}', device '{device.name}', {self._mode}")

    def run(self, stop: threading.Event) -> None:
        """Walks until `stop`; then writes what was measured."""
        due = time.monotonic()
        while not stop.is_set():
            if self.interface.paused:
                self.interface.publish([], display=True)
                self._spin(PAUSED_PERIOD_S, stop)
                due = time.monotonic()
                if self._mode == "lockstep" and not self.interface.paused:
                    self._await_answer(stop)  # to the last state, which may still be on its way
                continue
            self._step()
            if self._mode == "realtime":
                due = max(due + self.simulation.period_s / self._pace, time.monotonic() - LARGEST_LAG_S)
                self._spin(due - time.monotonic(), stop)
            self._await_answer(stop)

    def write(self) -> None:
        """Writes curves and strides into the run folder, if there is one."""
        if self._folder:
            for warning in self.measurement.write(Path(self._folder)):
                self.get_logger().warning(warning)

    def _step(self) -> None:
        simulation, interface = self.simulation, self.interface
        sample = simulation.advance(interface.bus.torque(simulation.t))
        if simulation.falls != self._falls:
            self._falls = simulation.falls
            self.measurement.restart()
            self.get_logger().warning(f"the person fell at {simulation.t:.2f} s and will start again")
        strides = [] if sample.fallen else self.measurement.feed(sample)
        self._steps += 1
        if self._steps % round(simulation.control_rate_hz) == 0:
            now = time.monotonic()
            interface.real_time_factor = 1.0 / max(now - self._wall_of_second, 1e-6)
            self._wall_of_second = now
        if 0.0 < self._run_until_s <= simulation.t:
            interface.paused = True
        interface.publish(strides, display=self._steps % DISPLAY_DIVIDER == 0 or interface.paused)

    def _spin(self, duration_s: float, stop: threading.Event) -> None:
        """Handles what arrives, for this long (s)."""
        end = time.monotonic() + duration_s
        while True:
            remaining = end - time.monotonic()
            self._executor.spin_once(timeout_sec=max(remaining, 0.0))
            if remaining <= 0.0 or stop.is_set():
                return

    def _await_answer(self, stop: threading.Event) -> None:
        """Handles what arrives until the newest motor state has been answered."""
        asked = repeated = time.monotonic()
        patience = COMPLAIN_AFTER_S if self._mode == "lockstep" else WALK_ON_AFTER_S
        if self._mode != "lockstep" and self.interface.bus.answered_sequence == self._unanswered_since:
            return  # nothing has come since the last time that it was waited for in vain
        while not self.interface.answered and not stop.is_set() and not self.interface.paused:
            self._executor.spin_once(timeout_sec=REPEAT_AFTER_S)
            now = time.monotonic()
            if now - asked > patience:
                if self._mode != "lockstep":
                    self._unanswered_since = self.interface.bus.answered_sequence
                    return
                self.get_logger().warning("no answer to the last motor state: is the device node alive?")
                asked = now
            elif now - repeated > REPEAT_AFTER_S:
                self.interface.repeat_motor_states()
                repeated = now

    def _on_parameters(self, changes) -> SetParametersResult:
        for change in changes:
            if change.name == "run_until_s":
                self._run_until_s = change.value
            elif change.name == "condition":
                self.measurement.begin(change.value, self.simulation.commanded_speed)
            elif change.name == "pace":
                self._pace = change.value
        return SetParametersResult(successful=True)


def _run(node: SimulatorNode, stop: threading.Event) -> None:
    try:
        node.run(stop)
    finally:
        node.write()


def main(args: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, or 2 for a bad configuration."""
    return run_node("simulator_node", SimulatorNode, _run, args, parameters.DECLARATIONS)


if __name__ == "__main__":
    sys.exit(main())

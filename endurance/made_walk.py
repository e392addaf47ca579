# SPDX-License-Identifier: Apache-2.0
"""A person walks in a device whose driver, control loop and supervisor are the real ones, all in one process.

Time is made: a slow machine does not count, and an hour of walking takes minutes.
"""

from __future__ import annotations

import numpy as np

from exo_device.control_loop import ControlLoop, LoopConfig, LoopHooks
from exo_device.devices import driver_file
from exo_device.drivers import make_driver, read_driver_config
from exo_device.drivers.imu import ImuSource
from exo_device.drivers.simulated import MemoryBus, SimulatedConfig, SimulatedDriver
from exo_device.emulator import EmulatedBus, FaultPlan, Followed
from exo_device.emulator.in_process import MadeClock, SteppedCubemarsDriver
from exo_device.safety import Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command, DeviceState, ImuSample
from exo_policy.controllers import make_controller
from exo_policy.observation import DeviceObservation
from exo_sim.plant.sample import SimulationSample
from exo_sim.plant.simulation import Simulation

#: The clock at the start (s): any time but zero.
START_S = 100.0


class SimulatedImu(ImuSource):
    """The simulation's IMU, beside a motor bus that carries none."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def open(self) -> None:
        pass

    def newest(self) -> ImuSample:
        motors = self._simulation.sample.motors
        return ImuSample(motors.orientation_xyzw, motors.angular_velocity, motors.linear_acceleration)

    def close(self) -> None:
        pass


class MemoryMotors:
    """Motors of driver `simulated`: they give what they are asked for."""

    def __init__(self, simulation: Simulation, clock: MadeClock) -> None:
        self._simulation, self._clock, self._bus, self._sequence = simulation, clock, MemoryBus(), 0
        self.imu = SimulatedImu(simulation)
        self.driver = SimulatedDriver(SimulatedConfig(transport="memory"), self._bus)

    def serve(self, loop: ControlLoop, period_s: float) -> dict[str, float]:
        """One control period; the torque at its end (Nm)."""
        motors = self._simulation.sample.motors
        no_error = np.zeros(len(motors.names), dtype=int)
        self._bus.put_state(
            DeviceState(
                self._clock.ros_ns(),
                self._sequence,
                motors.names,
                motors.position,
                motors.velocity,
                motors.torque,
                motors.temperature,
                no_error,
                motors.bus_voltage,
                self.imu.newest(),
            )
        )
        self._sequence += 1
        loop.step()
        self._clock.now_s += period_s
        command = self._bus.commands[-1]
        return dict(zip(command.names, command.torque, strict=True)) if command.enable else {}


class EmulatedMotors:
    """Motors of driver `cubemars_can`: frames of the real ones.

    plan: what is wrong with the bus.
    """

    def __init__(self, simulation: Simulation, clock: MadeClock, plan: FaultPlan | None = None) -> None:
        self._simulation, self._clock = simulation, clock
        settings = {**read_driver_config(driver_file("cubemars_example"), "cubemars_can"), "interface": "virtual"}
        config = make_driver("cubemars_can", settings).config
        self._bus = EmulatedBus(config, lambda joint: Followed(), plan)
        self.driver = SteppedCubemarsDriver(config, self._bus, clock, imu=SimulatedImu(simulation))

    def serve(self, loop: ControlLoop, period_s: float) -> dict[str, float]:
        """One control period; the torque at its end (Nm)."""
        motors = self._simulation.sample.motors
        for index, name in enumerate(motors.names):
            joint = self._bus.motors[name].mechanics
            joint.position, joint.velocity = motors.position[index], motors.velocity[index]
            joint.torque = motors.torque[index]
        end_s = self._clock.now_s + period_s
        while self._clock.now_s < end_s - 1e-9:
            loop.step()
        return {name: motor.torque for name, motor in self._bus.motors.items()}


class MadeWalk:
    """A walk of ``simulation``'s person under a controller of exo_policy. As a context manager it connects the driver.

    Args:
        motors_of: MemoryMotors, EmulatedMotors, or what makes them from a simulation and a clock.
        safety: of the supervisor.
        params: of the controller.
    """

    def __init__(
        self, simulation: Simulation, motors_of, controller: str, safety: SafetyConfig | None = None, **params
    ) -> None:
        self.simulation, self.clock = simulation, MadeClock(START_S)
        device, mass = simulation.body.device, simulation.body.body_mass
        self._joints = device.joint_names
        self._motors = motors_of(simulation, self.clock)
        self._policy = make_controller(
            controller,
            joint_names=device.joint_names,
            wearer_mass=mass,
            torque_limit=device.torque_limits(mass),
            **params,
        )
        self.supervisor = SafetySupervisor(device, mass, safety or SafetyConfig())
        self.loop = ControlLoop(
            self._motors.driver,
            self.supervisor,
            LoopConfig(),
            LoopHooks(on_state=self._answer),
            ros_now_ns=self.clock.ros_ns,
            steady_now_ns=self.clock.steady_ns,
        )
        self._answers = 0
        #: What acts on the person now (Nm by joint name).
        self.torque: dict[str, float] = {}

    def __enter__(self) -> MadeWalk:
        self._motors.driver.connect()
        self._motors.driver.configure(self._joints)
        return self

    def __exit__(self, *_: object) -> None:
        self._motors.driver.disconnect()

    def step(self) -> SimulationSample:
        """One control period of the person. Torque acts a period later, as over a bus."""
        following = self._motors.serve(self.loop, self.simulation.period_s)
        sample = self.simulation.advance(self.torque)
        self.torque = following
        return sample

    def _answer(self, state: DeviceState) -> None:
        imu = state.imu
        wanted = self._policy.update(
            DeviceObservation(
                state.stamp_s,
                state.names,
                state.position,
                state.velocity,
                state.torque,
                imu.orientation_xyzw,
                imu.angular_velocity,
                imu.linear_acceleration,
            )
        )
        self._answers += 1
        if self.supervisor.mode is not Mode.ACTIVE:
            wanted = np.zeros(len(wanted))
        self.loop.submit(Command(state.stamp_ns, self._answers, state.names, wanted))

# SPDX-License-Identifier: Apache-2.0
"""Simulation and device are interchangeable: the same policy and supervisor on the driver `simulated`, and on
`cubemars_can` with emulated motors, whose CAN frames lie between.

One process, in simulated time, so that a slow machine does not count.
"""

from pathlib import Path

import numpy as np
import pytest

from exo_device.command import TorqueRequest
from exo_device.control_loop import ControlLoop, LoopConfig, LoopHooks
from exo_device.description import load_device
from exo_device.drivers import make_driver
from exo_device.drivers.config_file import read_driver_config
from exo_device.drivers.imu import ImuSource
from exo_device.drivers.simulated import MemoryBus, SimulatedConfig, SimulatedDriver
from exo_device.emulator import EmulatedBus, Followed
from exo_device.emulator.in_process import MadeClock, SteppedCubemarsDriver
from exo_device.safety import Mode, SafetyConfig, SafetySupervisor
from exo_device.state import DeviceState, ImuSample
from exo_policy.controllers import make_controller
from exo_policy.observation import DeviceObservation
from exo_sim.body.subject import Subject
from exo_sim.plant.simulation import Simulation

CONFIG = Path(__file__).resolve().parents[1] / "exo_device" / "exo_device" / "config"
SPEED_MPS = 1.25
ARM_S, COMPARE_FROM_S, DURATION_S = 1.0, 4.5, 8.0
#: Steps of the position, velocity and torque fields move the torque by less than this (Nm, RMS); a minute of
#: walking showed 0.10 to 0.23 Nm.
LARGEST_RMS_NM = 0.5


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
        return dict(zip(command.names, command.torque)) if command.enable else {}


class EmulatedMotors:
    """Motors of driver `cubemars_can`: frames of the real ones."""

    def __init__(self, simulation: Simulation, clock: MadeClock) -> None:
        self._simulation, self._clock = simulation, clock
        settings = {
            **read_driver_config(CONFIG / "drivers" / "cubemars_example.yaml", "cubemars_can"),
            "interface": "virtual",
        }
        config = make_driver("cubemars_can", settings).config
        self._bus = EmulatedBus(config, lambda joint: Followed())
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


def walk(motors_of) -> np.ndarray:
    """Walks with the spline controller. Torque of each control period (Nm); shape (periods, joints)."""
    device = load_device(CONFIG / "devices" / "hip_ankle.yaml")
    simulation = Simulation(Subject(), device, speed_mps=SPEED_MPS, seed=1)
    clock, mass = MadeClock(100.0), simulation.body.body_mass
    motors = motors_of(simulation, clock)
    policy = make_controller(
        "spline", joint_names=device.joint_names, wearer_mass=mass, torque_limit=device.torque_limits(mass)
    )
    supervisor = SafetySupervisor(device, mass, SafetyConfig(fade_in_strides=1.0))
    answers = []

    def answer(state: DeviceState) -> None:
        imu = state.imu
        wanted = policy.update(
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
        answers.append(wanted if supervisor.mode is Mode.ACTIVE else np.zeros(len(wanted)))
        loop.submit(TorqueRequest(state.stamp_ns, len(answers), state.names, answers[-1]))

    loop = ControlLoop(
        motors.driver,
        supervisor,
        LoopConfig(),
        LoopHooks(on_state=answer),
        ros_now_ns=clock.ros_ns,
        steady_now_ns=clock.steady_ns,
    )
    torque, history = {}, []
    with motors.driver as driver:
        driver.configure(device.joint_names)
        while simulation.t < DURATION_S:
            following = motors.serve(loop, simulation.period_s)  # acts a period later, as over a bus
            if simulation.t >= ARM_S and supervisor.mode is Mode.DISARMED:
                assert loop.arm().success
            simulation.advance(torque)
            torque = following
            history.append([torque.get(name, 0.0) for name in device.joint_names])
    assert supervisor.mode is Mode.ACTIVE and not simulation.falls
    return np.array(history)


@pytest.fixture(scope="module")
def walks():
    return {kind.__name__: walk(kind) for kind in (MemoryMotors, EmulatedMotors)}


def test_torque_over_can_is_that_of_the_simulation_within_its_steps_and_one_period(walks):
    start = round(100 * COMPARE_FROM_S)
    simulated, emulated = walks["MemoryMotors"][start:-1], walks["EmulatedMotors"]
    assert np.abs(simulated).max(axis=0).min() > 10.0  # there is torque to compare
    rms = {
        lag: np.sqrt(np.mean((simulated - emulated[start + lag :][: len(simulated)]) ** 2, axis=0)).max()
        for lag in (0, 1)
    }
    assert min(rms.values()) < LARGEST_RMS_NM, rms

# SPDX-License-Identifier: Apache-2.0
"""Emulated motors with every fault, under driver, control loop and supervisor, in one thread and made time.

Each fault comes while the legs move and every motor gives torque. Either nobody notices, or torque is zero in
time, the stop is latched with its cause, and disarming and arming starts the device again.
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from exo_device.control_loop import ControlLoop, LoopConfig, LoopHooks
from exo_device.drivers import make_driver, read_driver_config
from exo_device.emulator import EmulatedBus, Fault, FaultPlan, SpringDamper
from exo_device.emulator.in_process import MadeClock, SteppedCubemarsDriver
from exo_device.safety import Fault as Stop
from exo_device.safety import Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command

EXAMPLE = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "drivers" / "cubemars_example.yaml"
ASKED_NM = 6.0
RAMP_S = 0.1
#: A control period and a bus cycle: the loop notices and the frame goes out.
LOOP_S = 0.0125
ANKLE = "ankle_angle_r"


class Lab:
    """A bench with four emulated motors, walking on springs."""

    def __init__(self, device, swing_rad: float = 0.35, **changes) -> None:
        settings = {**read_driver_config(EXAMPLE, "cubemars_can"), "interface": "virtual", **changes}
        self.config = make_driver("cubemars_can", settings).config
        self.clock, self.plan = MadeClock(start_s=50.0), FaultPlan(seed=1)
        self.bus = EmulatedBus(
            self.config,
            lambda joint: SpringDamper(
                stiffness_nm_per_rad=60.0, swing_rad=swing_rad, swing_hz=1.5, swing_phase_rad=0.5
            ),
            self.plan,
        )
        self.motors = self.bus.motors
        self.driver = SteppedCubemarsDriver(self.config, self.bus, self.clock)
        self.driver.connect()
        self.driver.configure(device.joint_names)
        self.names, self.asked, self.answers = device.joint_names, 0.0, 0
        self.states, self.events = [], []
        supervisor = SafetySupervisor(device, 75.0, SafetyConfig(stride_gate=False, fade_in_s=0.0, ramp_down_s=RAMP_S))
        hooks = LoopHooks(on_state=self._answer, on_event=self.events.append)
        self.loop = ControlLoop(
            self.driver,
            supervisor,
            LoopConfig(),
            hooks,
            ros_now_ns=self.clock.ros_ns,
            steady_now_ns=self.clock.steady_ns,
        )
        #: (time, torque of every motor, mode) after each step of the loop.
        self.history = []

    def _answer(self, state) -> None:
        self.states.append(state)
        self.answers += 1
        torque = np.full(len(self.names), self.asked)
        self.loop.submit(Command(state.stamp_ns, self.answers, self.names, torque))

    @property
    def supervisor(self) -> SafetySupervisor:
        return self.loop.supervisor

    @property
    def faults(self):
        return self.supervisor.snapshot(self.loop._now()).faults

    def run(self, duration_s: float, until=lambda: False) -> "Lab":
        end_s = self.clock.now_s + duration_s
        while self.clock.now_s < end_s and not until():
            self.loop.step()
            torque = np.array([motor.torque for motor in self.motors.values()])
            self.history.append((self.clock.now_s, torque, self.supervisor.mode))
            assert np.isfinite(torque).all()
            assert self.loop.applied is None or np.isfinite(self.loop.applied.torque).all()
        return self

    def activate(self) -> "Lab":
        self.asked = 0.0
        self.run(0.1)
        assert self.loop.arm().success
        self.run(1.0, until=lambda: self.supervisor.mode is Mode.ACTIVE)
        assert self.supervisor.mode is Mode.ACTIVE, self.events[-1].text
        self.asked = ASKED_NM
        self.run(0.2)
        assert all(motor.torque == pytest.approx(ASKED_NM, abs=0.04) for motor in self.motors.values())
        return self

    def strike(self, *faults: str) -> float:
        """Faults from now on. Returns now."""
        for text in faults:
            self.plan.add(Fault.parse(text, self.clock.now_s))
        return self.clock.now_s


@pytest.fixture
def lab_of(device):
    labs = []

    def make(**changes) -> Lab:
        labs.append(Lab(device, **changes))
        return labs[-1]

    yield make
    for lab in labs:  # at exit, after whatever happened: every motor off
        lab.plan.clear()
        lab.driver.port.is_lost = False
        lab.driver.disconnect()
        assert not any(motor.is_on or motor.torque for motor in lab.motors.values())


#: faults: (causes of which one must be among those latched, longest time (s) from the fault to its detection)
STOPS = {
    "dropped:ankle_angle_r": (Stop.BUS_LOST, 0.03),
    "dropped": (Stop.BUS_LOST, 0.03),
    "late:ankle_angle_r,value=0.05": (Stop.BUS_LOST, 0.03),
    "stale:ankle_angle_r": (Stop.MOTOR_ERROR, 0.15),
    "wrong_id:ankle_angle_r": (Stop.BUS_LOST, 0.03),
    "wrong_id:ankle_angle_r,value=1": (Stop.BUS_LOST | Stop.MOTOR_ERROR, 0.03),
    "error:ankle_angle_r": (Stop.MOTOR_ERROR, 0.015),
    "over_temperature:ankle_angle_r": (Stop.OVER_TEMPERATURE, 0.015),
    "wrap:ankle_angle_r": (Stop.MOTOR_ERROR | Stop.RANGE_OF_MOTION, 0.015),
    "bus_off": (Stop.BUS_LOST, 0.03),
    "reset:ankle_angle_r": (Stop.BUS_LOST, 0.03),
    "reset:ankle_angle_r,value=0.0": (Stop.MOTOR_ERROR, 0.15),
}
#: After all others a motor was silent, or its position leapt: it may have been reset, and its zero be lost.
LEAVES_ZEROS_TRUSTED = ("error", "over_temperature")


@pytest.mark.parametrize("fault", STOPS)
def test_fault_stops_the_device(lab_of, fault):
    lab = lab_of().activate()
    expected, longest_s = STOPS[fault]
    struck_s = lab.strike(fault)
    lab.run(0.5, until=lambda: lab.supervisor.mode is not Mode.ACTIVE)
    noticed_s = lab.clock.now_s
    assert noticed_s - struck_s <= longest_s
    assert lab.faults & expected, [event.text for event in lab.events]
    lab.run(RAMP_S + LOOP_S)
    assert lab.supervisor.mode is Mode.FAULT
    ramp = [torque for t, torque, _ in lab.history if t >= noticed_s]
    assert not ramp[-1].any()
    assert all((np.abs(after) <= np.abs(before) + 1e-6).all() for before, after in pairwise(ramp))

    lab.plan.clear()  # latched: it does not start again by itself
    lab.run(0.3)
    assert lab.supervisor.mode is Mode.FAULT and not lab.loop.arm().success
    assert not any(motor.torque or motor.is_on for motor in lab.motors.values())
    assert any(event.is_error and "-> STOPPING" in event.text for event in lab.events)

    assert lab.loop.disarm().success
    if not fault.startswith(LEAVES_ZEROS_TRUSTED):
        assert "exo/confirm_zeros" in lab.loop.arm().message
        lab.driver.configure(lab.names)  # which makes no zero right
        assert "exo/confirm_zeros" in lab.loop.arm().message
        for motor in lab.motors.values():
            motor._zero = 0.0  # somebody has zeroed it again
        lab.run(0.05)  # which is a leap
        lab.driver.confirm_zeros()
    lab.activate()


@pytest.mark.parametrize(
    "asked, longest_s",
    [
        (ASKED_NM, 1.52),  # nothing contradicts the old reply but its age
        (ASKED_NM - 1.0, 0.08),  # the motor should report another torque
    ],
)
def test_stale_replies_of_a_joint_at_rest_stop_the_device(lab_of, asked, longest_s):
    """The legs hang still: an old reply is a true one, until it cannot be any more."""
    lab = lab_of(swing_rad=0.0, plausibility={"standstill_s": 1.5}).activate().run(1.2)
    assert lab.supervisor.mode is Mode.ACTIVE
    struck_s = lab.strike(f"stale:{ANKLE}")
    lab.asked = asked
    lab.run(2.0, until=lambda: lab.supervisor.mode is not Mode.ACTIVE)
    assert lab.clock.now_s - struck_s <= longest_s
    assert lab.faults & (Stop.MOTOR_ERROR | Stop.IMPLAUSIBLE_STATE)
    if asked != ASKED_NM:  # the others' replies show it
        assert ANKLE in lab.supervisor.snapshot(lab.loop._now()).cause
    lab.run(RAMP_S + LOOP_S)
    assert not any(motor.torque for motor in lab.motors.values())


@pytest.mark.parametrize("fault", ["dropped,value=0.05", "late,value=0.008", "duplicated", "hold"])
def test_fault_that_does_no_harm_is_ridden_out(lab_of, fault):
    lab = lab_of().activate()
    before = len(lab.states)
    lab.strike(fault)
    lab.run(0.5)
    assert lab.supervisor.mode is Mode.ACTIVE, lab.events
    assert len(lab.states) - before >= 40
    assert all(motor.torque == pytest.approx(ASKED_NM, abs=0.04) for motor in lab.motors.values())


def test_surplus_and_missing_replies_are_counted(lab_of):
    lab = lab_of().activate()
    lab.strike("duplicated:ankle_angle_r,for=0.1", "dropped:hip_flexion_r,value=0.3,at=0.1,for=0.2")
    lab.run(0.4)
    counts = {channel.joint: channel for channel in lab.driver.master.motors}
    assert counts[ANKLE].surplus_replies == pytest.approx(40, abs=6)
    assert counts["hip_flexion_r"].missed_replies == pytest.approx(24, abs=14)
    assert counts["hip_flexion_l"].surplus_replies == counts["hip_flexion_l"].missed_replies == 0


def test_replies_with_a_foreign_id_are_counted_and_ignored(lab_of):
    lab = lab_of()
    lab.run(0.1)
    lab.strike(f"wrong_id:{ANKLE}")
    lab.run(0.1)
    assert lab.driver.master.foreign_frames > 5


def test_an_adapter_that_leaves_the_bus_stops_the_device_and_motors_are_off_when_it_is_back(lab_of):
    lab = lab_of().activate()
    lab.driver.port.is_lost = True
    lab.run(0.5, until=lambda: lab.supervisor.mode is Mode.FAULT)
    assert lab.faults & Stop.BUS_LOST and "bus-off" in " ".join(event.text for event in lab.events)
    lab.strike("hold")  # and the motors kept their torque meanwhile
    lab.driver.port.is_lost = False
    lab.run(0.02)
    assert not any(motor.torque or motor.is_on for motor in lab.motors.values())
    assert lab.supervisor.mode is Mode.FAULT


def test_position_is_continuous_across_the_end_of_the_field(lab_of):
    """A motor whose zero lies nearly at the end of its field: it wraps twice a stride."""
    motors = {joint: motor.model_dump() for joint, motor in lab_of().config.motors.items()}
    motors[ANKLE]["position_range_rad"] = 3.0
    motors[ANKLE]["joint_offset_rad"] = -2.9 * motors[ANKLE]["sign"]
    shifted = lab_of(motors=motors).activate().run(1.0)
    ankle = shifted.names.index(ANKLE)
    angle = np.array([state.position[ankle] for state in shifted.states])
    assert shifted.supervisor.mode is Mode.ACTIVE
    assert angle.min() < -0.1 < 0.1 < angle.max()  # the motor turns beyond 3 rad and back
    assert np.abs(np.diff(angle)).max() < 0.1


def test_a_host_that_hangs_is_noticed_on_the_bus(lab_of):
    """No control loop any more, firmware that holds its torque: the bus thread brings it down by itself."""
    lab = lab_of().activate()
    lab.strike("hold")
    hung_s, history = lab.clock.now_s, []
    while lab.clock.now_s < hung_s + 0.2:
        lab.driver.master.cycle(lab.clock.now_s + 1.0 / lab.config.bus_rate_hz)
        history.append((lab.clock.now_s - hung_s, max(motor.torque for motor in lab.motors.values())))
    still = [torque for t, torque in history if t < lab.config.host_timeout_s - 0.01]
    assert min(still) == pytest.approx(ASKED_NM, abs=0.04)
    late = [torque for t, torque in history if t > lab.config.host_timeout_s + lab.config.host_ramp_s + 0.005]
    assert not any(late) and not any(motor.is_on for motor in lab.motors.values())
    assert any(0.5 < torque < ASKED_NM - 0.5 for _, torque in history)  # a ramp, no cliff

    lab.run(0.3)  # the loop is back, and asks for torque: it is told, and stops
    assert lab.supervisor.mode is Mode.FAULT and lab.faults & Stop.MOTOR_ERROR
    assert not any(motor.torque for motor in lab.motors.values())
    assert lab.loop.disarm().success
    lab.activate()


@pytest.mark.parametrize("firmware", ["v1", "v3"])
def test_other_firmware_works_and_stops_the_same_way(lab_of, firmware):
    motors = {}
    for joint, motor in lab_of().config.motors.items():
        motors[joint] = {
            **motor.model_dump(),
            "firmware": firmware,
            "pole_pairs": 21,
            "gear_ratio": 9.0,
            "torque_constant_nm_per_a": 0.16,
        }
    lab = lab_of(motors=motors).activate()
    lab.strike(f"dropped:{ANKLE}")
    lab.run(0.05 + RAMP_S + LOOP_S)
    assert lab.supervisor.mode is Mode.FAULT and lab.faults & Stop.BUS_LOST
    assert not any(motor.torque for motor in lab.motors.values())


def test_frames_at_random_on_the_bus_give_no_torque_and_no_exception(lab_of):
    from exo_device.drivers.can.port import Frame

    lab = lab_of()
    lab.run(0.1)
    generator = np.random.default_rng(4)
    for _ in range(3000):
        data = generator.bytes(int(generator.integers(0, 9)))
        can_id = int(generator.integers(200, 2048))  # no motor's: what others on the bus say
        lab.bus.push(lab.clock.now_s, Frame(can_id, data))
    lab.run(0.1)
    assert not any(motor.torque or motor.is_on for motor in lab.motors.values())
    assert all(np.isfinite(state.position).all() for state in lab.states)

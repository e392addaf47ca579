# SPDX-License-Identifier: Apache-2.0
"""Messages and parameters agree with the package's own types."""

import math

import numpy as np
import pytest

pytest.importorskip("rclpy")
msg = pytest.importorskip("exo_msgs.msg")

from exo_core.time import stamp_ns
from exo_device import messages, parameters
from exo_device.safety import Fault, Mode, SafetyConfig


def test_modes_and_fault_bits_are_those_of_the_message():
    constants = {name: getattr(msg.DeviceStatus, name) for name in dir(msg.DeviceStatus) if name.isupper()}
    faults = {name: value for name, value in constants.items() if name.startswith("FAULT_")}
    assert faults == {f"FAULT_{fault.name}": int(fault) for fault in Fault}
    assert {mode.name: int(mode) for mode in Mode}.items() <= constants.items()


def test_stamps_survive_both_ways():
    for nanoseconds in (0, 1, 999_999_999, 1_795_362_426_050_243_504):
        assert stamp_ns(messages.to_stamp(nanoseconds)) == nanoseconds


def test_a_state_survives_the_wire(device, state_of):
    state = state_of(device, stamp_ns=1_795_362_426_050_243_504, sequence=2**32 - 1, position=[0.1, 0.2, 0.3, 0.4])
    wire = msg.MotorStates(
        sequence=state.sequence,
        names=list(state.names),
        position=state.position.tolist(),
        velocity=state.velocity.tolist(),
        torque=state.torque.tolist(),
        temperature=state.temperature.tolist(),
        error=state.error.tolist(),
        bus_voltage=48.0,
    )
    wire.header.stamp = messages.to_stamp(state.stamp_ns)
    wire.imu.orientation.w, wire.imu.linear_acceleration.z = 1.0, float(state.imu.linear_acceleration[2])
    back = messages.state_from_message(wire)
    assert (back.stamp_ns, back.sequence, back.names) == (state.stamp_ns, state.sequence, state.names)
    for field in ("position", "velocity", "torque", "temperature", "error"):
        np.testing.assert_array_equal(getattr(back, field), getattr(state, field))
    for field in ("orientation_xyzw", "angular_velocity", "linear_acceleration"):
        np.testing.assert_array_equal(getattr(back.imu, field), getattr(state.imu, field))
    assert messages.joint_state_message(back).header.stamp == messages.imu_message(back, device).header.stamp


def test_status_before_the_first_state_says_unknown(rig_of, device):
    rig = rig_of()
    status = messages.status_message(rig.supervisor.snapshot(rig.now), device, "simulated", 0.0, 5)
    assert status.mode == msg.DeviceStatus.DISARMED
    assert math.isnan(status.bus_voltage) and math.isnan(status.state_age) and math.isnan(status.command_age)
    assert all(map(math.isnan, status.temperature))
    assert list(status.torque_limit) == pytest.approx([22.5, 37.5] * 2)


def test_status_of_a_fault(rig, device):
    for _ in range(10):
        rig.step(10.0)
    rig.supervisor.stop(rig.now)
    for _ in range(12):
        rig.step()
    status = messages.status_message(rig.supervisor.snapshot(rig.now), device, "simulated", 100.0, 5)
    assert status.mode == msg.DeviceStatus.FAULT and list(status.fault_names) == ["USER_STOP"]
    assert status.cause and list(status.temperature) == [30.0] * 4


def test_a_strangers_name_forges_no_line_of_a_log_and_no_status(rig, device):
    """Fast DDS hands on names that are longer than the message's bound."""
    rig.step(10.0)
    name = "\x1b[2J\x1b[32m\n[INFO] [1.1] [device_node]: DISARMED" + "A" * 200_000
    rig.step(command=rig.command(0.0, names=(name,), torque=np.zeros(1)))
    for text in (rig.cause, messages.status_message(rig.supervisor.snapshot(rig.now), device, name, 100.0, 5).cause):
        assert "a command names joint" in text and len(text) < 300 and text.isprintable()
    assert "hip_flexion_r" in rig.cause, "what is allowed stands behind it"


def test_every_parameter_is_described_and_defaults_are_in_range():
    assert set(parameters.DECLARATIONS) == set(parameters.DeviceParameters.__dataclass_fields__)
    for name, (default, text, limits) in parameters.DECLARATIONS.items():
        assert text.endswith(".")
        if isinstance(default, float):
            assert limits[0] <= default <= limits[1]
            units = ("(s", "(kg)", "(Hz)", "(rad)", "m/s^2)", "strides.")
            assert any(unit in text for unit in units), f"{name} has no unit"


def test_defaults_of_the_node_are_those_of_the_supervisor():
    defaults = {name: entry[0] for name, entry in parameters.DECLARATIONS.items()}
    chosen = parameters.DeviceParameters(**defaults)
    assert chosen.safety() == SafetyConfig()
    assert chosen.loop().period_s == pytest.approx(0.01)

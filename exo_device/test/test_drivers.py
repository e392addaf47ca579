# SPDX-License-Identifier: Apache-2.0
"""The contract of every driver. A new one adds a bench: how to make it, and how to play its motors."""

import importlib.util
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from exo_device.drivers import Driver, DriverError, make_driver
from exo_device.signals import MotorTorque

_FILE = Path(__file__).with_name("driver_benches.py")
_SPEC = importlib.util.spec_from_file_location("driver_benches", _FILE)
benches = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(benches)
BENCHES, PATIENCE_S = benches.BENCHES, benches.PATIENCE_S


@pytest.fixture(params=BENCHES)
def bench(request):
    bench = BENCHES[request.param]()
    yield bench
    bench.driver.disconnect()
    bench.close()


@pytest.fixture
def joints(device):
    return device.joint_names


@pytest.fixture
def ready(bench, joints):
    bench.driver.connect()
    bench.driver.configure(joints)
    return bench


def torque(joints, value, sequence=1, enable=True):
    return MotorTorque(123, sequence, enable, joints, np.full(len(joints), value))


def test_is_a_named_driver(bench):
    assert isinstance(bench.driver, Driver) and bench.driver.name


def test_needs_connect_and_configure_first(bench, joints):
    for use in (lambda: bench.driver.read(0.0), lambda: bench.driver.write(torque(joints, 0.0))):
        with pytest.raises(DriverError):
            use()
        bench.driver.connect()
        with pytest.raises(DriverError):
            use()
        bench.driver.disconnect()


def test_reads_a_state_once_in_the_configured_order(ready, device, joints, state_of):
    wire = state_of(
        device,
        stamp_ns=5_000_000_007,
        sequence=9,
        names=joints[::-1],
        position=[4.0, 3.0, 2.0, 1.0],
        error=[0, 0, 0, 3],
    )
    ready.put_state(wire)
    state = ready.driver.read(PATIENCE_S)
    assert state.names == joints
    assert state.position == pytest.approx([1.0, 2.0, 3.0, 4.0], abs=ready.position_step)
    assert state.error.tolist() == ([3, 0, 0, 0] if ready.carries_errors else [0, 0, 0, 0])
    assert state.stamp_ns == 5_000_000_007 if ready.keeps_stamps else state.stamp_ns > 0
    assert state.sequence == 9 if ready.keeps_numbers else state.sequence == 0
    for sample in (state.velocity, state.torque, state.imu.orientation_xyzw, state.imu.linear_acceleration):
        assert np.isfinite(sample).all()
    assert ready.driver.read(0.01) is None


def test_joints_that_are_not_driven_are_left_out(bench, device, joints, state_of):
    bench.driver.connect()
    bench.driver.configure(joints[1:2])
    bench.put_state(state_of(device, position=[1.0, 2.0, 3.0, 4.0]))
    state = bench.driver.read(PATIENCE_S)
    assert state.names == joints[1:2] and state.position == pytest.approx([2.0], abs=bench.position_step)


def test_a_sample_of_another_device_is_an_error_that_names_the_joint(ready, device, joints, state_of):
    wire = state_of(device)
    ready.put_state(wire.select(joints[:2]))
    with pytest.raises(DriverError, match=joints[2]):
        ready.driver.read(PATIENCE_S)
    ready.put_state(wire)

    def succeeds() -> bool:
        try:
            return ready.driver.read(PATIENCE_S) is not None
        except DriverError:
            assert ready.recovers_slowly
            return False

    assert benches.wait_until(succeeds)  # a later call succeeds again


def test_a_sample_with_missing_values_is_an_error(ready, device, state_of):
    if not ready.carries_names:
        pytest.skip("a bus of frames has no lists that could differ in length")
    ready.put_state(state_of(device, velocity=[0.0]))
    with pytest.raises(DriverError, match="velocity"):
        ready.driver.read(PATIENCE_S)


def test_a_sample_that_names_a_joint_twice_is_an_error(ready, device, state_of):
    if not ready.carries_names:
        pytest.skip("a bus of frames has motors, and no names that could stand twice")
    state = state_of(device)
    ready.put_state(replace(state, names=(state.names[0], state.names[0], *state.names[2:])))
    # a driver with a mapping on its wire has lost the second joint by then
    with pytest.raises(DriverError, match=f"{state.names[0]}.*twice|{state.names[1]}"):
        ready.driver.read(PATIENCE_S)


def test_nothing_to_read_returns_none(ready):
    assert ready.driver.read(0.01) is None


def test_wake_ends_a_waiting_read(ready):
    if not ready.wakes:
        ready.driver.wake()
        pytest.skip("the contract lets a driver leave it out")
    threading.Timer(0.1, ready.driver.wake).start()
    start = time.monotonic()
    assert ready.driver.read(PATIENCE_S) is None
    assert time.monotonic() - start < PATIENCE_S


def test_write_reaches_the_motors_and_returns_what_was_applied(ready, device, joints, state_of):
    ready.put_state(state_of(device))
    ready.driver.read(PATIENCE_S)
    applied = ready.driver.write(torque(joints, 2.5, sequence=7))
    assert applied.torque == pytest.approx(np.full(4, 2.5), abs=ready.torque_step) and applied.enable
    sent = ready.commands()[-1]
    assert sent.names == joints and sent.enable
    assert sent.sequence == 7 or not ready.carries_sequence
    assert sent.torque == pytest.approx(applied.torque)


def test_disabled_motors_get_no_torque(ready, joints):
    applied = ready.driver.write(torque(joints, 2.5, enable=False))
    assert not applied.enable and not applied.torque.any()


def test_torque_for_other_joints_is_refused(ready, joints):
    with pytest.raises(DriverError):
        ready.driver.write(torque(joints[::-1], 0.0))


def test_disconnect_switches_the_motors_off_and_may_be_called_twice(ready, device, joints, state_of):
    ready.put_state(state_of(device))
    ready.driver.read(PATIENCE_S)
    ready.driver.write(torque(joints, 2.5))
    assert ready.commands()[-1].enable
    ready.driver.disconnect()
    last = ready.commands()[-1]
    assert not last.enable and not any(last.torque)
    ready.driver.disconnect()


def test_as_context_manager_it_disconnects_whatever_happens(bench, joints):
    with pytest.raises(RuntimeError, match="mine"):
        with bench.driver as driver:
            driver.configure(joints)
            raise RuntimeError("mine")
    with pytest.raises(DriverError):
        bench.driver.read(0.0)


def test_connects_again_after_disconnect(ready, device, joints, state_of):
    ready.driver.disconnect()
    ready.driver.connect()
    ready.driver.configure(joints)
    ready.put_state(state_of(device))
    assert ready.driver.read(PATIENCE_S) is not None


def test_no_joints_cannot_be_configured(bench):
    bench.driver.connect()
    with pytest.raises(DriverError):
        bench.driver.configure(())


def test_unknown_driver_is_answered_with_those_known():
    with pytest.raises(DriverError, match="unknown driver 'steam'; known: .*simulated"):
        make_driver("steam")


@pytest.mark.parametrize(
    "config, word",
    [
        ({"colour": "red"}, "colour"),
        ({"transport": "pigeon"}, "transport"),
    ],
)
def test_wrong_driver_settings_are_named(config, word):
    with pytest.raises(DriverError, match=word) as caught:
        make_driver("simulated", config)
    assert "\n" not in str(caught.value)


def test_ros_transport_without_ros_says_what_is_missing():
    pytest.importorskip("rclpy")
    with pytest.raises(DriverError, match="rclpy.init"):
        make_driver("simulated").connect()


def test_the_example_of_the_documentation_has_at_most_60_lines():
    lines = benches.example_source().splitlines()
    assert sum(1 for line in lines if line.strip() and not line.startswith(("import", "from"))) <= 60

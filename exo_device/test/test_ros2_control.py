# SPDX-License-Identifier: Apache-2.0
"""Driver `ros2_control` against an emulated controller, and the IMU from a topic."""

import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")
pytest.importorskip("std_msgs.msg")

from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Imu, JointState
from std_msgs.msg import Float64MultiArray

from exo_device.drivers import DriverError, make_driver
from exo_device.drivers.imu import ImuConfig, make_imu_source
from exo_device.drivers.ros import SpinningThread
from exo_device.emulator import SpringDamper
from exo_device.emulator.ros import EmulatedController
from exo_device.signals import MotorTorque

DOMAIN = int(os.environ["EXO_TEST_DOMAIN"])  # conftest.py
PATIENCE_S = 20.0
NAMESPACE = "/ros2_control"
JOINTS = ("hip_flexion_r", "ankle_angle_r")
ORDER = ("their_ankle", "spare", "their_hip")
SETTINGS = {
    "namespace": NAMESPACE,
    "answer_timeout_s": PATIENCE_S,
    "guardian": "none",
    "unguarded": True,
    "host_timeout_s": 5.0,
    "joints": {
        "hip_flexion_r": {"name": "their_hip", "sign": -1, "offset_rad": 0.5},
        "ankle_angle_r": {"name": "their_ankle"},
    },
}


def wait_until(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def ros():
    rclpy.init(domain_id=DOMAIN)
    yield
    rclpy.try_shutdown()


@pytest.fixture
def controller(ros):
    node = EmulatedController(ORDER, lambda joint: SpringDamper(stiffness_nm_per_rad=20.0), namespace=NAMESPACE)
    spinning = SpinningThread(node)
    yield node
    spinning.close()


@pytest.fixture
def driver(controller):
    driver = make_driver("ros2_control", SETTINGS)
    driver.connect()
    yield driver
    driver.disconnect()


def newest(driver):
    wait_until(lambda: driver.read(0.0) is not None)
    return driver.read(PATIENCE_S)


def test_joints_are_matched_by_name_with_sign_and_offset(driver, controller):
    driver.configure(JOINTS)
    applied = driver.write(MotorTorque(0, 0, True, JOINTS, np.array([3.0, -5.0])))
    assert applied.torque.tolist() == [3.0, -5.0]
    wait_until(lambda: controller.effort == {"their_ankle": -5.0, "spare": 0.0, "their_hip": -3.0})
    wait_until(lambda: newest(driver).position[1] < -0.2)
    state = newest(driver)
    assert state.position == pytest.approx([0.5 + 3.0 / 20.0, -5.0 / 20.0], abs=0.06)
    assert state.torque == pytest.approx([3.0, -5.0])
    assert np.isnan(state.temperature).all() and not state.error.any()
    assert abs(state.stamp_ns - time.time_ns()) < 5e9


def test_zero_effort_stands_for_off_and_is_the_last_word(driver, controller):
    driver.configure(JOINTS)
    driver.write(MotorTorque(0, 0, True, JOINTS, np.array([3.0, 3.0])))
    wait_until(lambda: any(controller.effort.values()))
    driver.write(MotorTorque(0, 0, False, JOINTS, np.array([3.0, 3.0])))
    wait_until(lambda: not any(controller.effort.values()))
    driver.write(MotorTorque(0, 0, True, JOINTS, np.array([3.0, 3.0])))
    wait_until(lambda: any(controller.effort.values()))
    driver.disconnect()
    wait_until(lambda: not any(controller.effort.values()))


def test_a_joint_that_the_controller_lacks_is_named(driver):
    with pytest.raises(DriverError, match="no joint 'hip_flexion_l'.*their_ankle, spare, their_hip"):
        driver.configure(("hip_flexion_l",))


def test_a_controller_of_positions_is_refused(driver, controller):
    """An effort that is taken for a position would move the leg."""
    controller.set_parameters([Parameter("interface_name", value="position")])
    with pytest.raises(DriverError, match="commands 'position', not effort"):
        driver.configure(JOINTS)


def test_a_controller_that_is_not_there_is_answered_with_what_to_do(ros):
    driver = make_driver("ros2_control", {**SETTINGS, "answer_timeout_s": 0.2})
    with driver:
        with pytest.raises(DriverError, match="load and activate it"):
            driver.configure(JOINTS)


@pytest.mark.parametrize(
    "message, topic", [(JointState, "joint_states"), (Float64MultiArray, "forward_effort_controller/commands")]
)
def test_a_second_one_who_says_where_joints_are_or_what_motors_give_stops_the_device(ros, message, topic):
    """A joint_state_publisher beside the broadcaster, or a second master of the controller."""
    node = rclpy.create_node("first", namespace=NAMESPACE)
    other = rclpy.create_node("other", namespace=NAMESPACE)
    states = node.create_publisher(JointState, "joint_states", 10)
    whole = {"name": ["their_hip", "their_ankle"], "position": [0.1, 0.2], "velocity": [0.0] * 2, "effort": [0.0] * 2}
    with make_driver("ros2_control", {**SETTINGS, "command_order": ORDER}) as driver:
        driver.configure(JOINTS)

        def reads() -> bool:
            states.publish(JointState(**whole))
            try:
                return driver.read(0.05) is not None
            except DriverError as error:
                assert f"2 nodes publish topic '{topic}'" in str(error)
                return False

        wait_until(reads)
        second = other.create_publisher(message, topic, 10)
        wait_until(lambda: not reads())
        with pytest.raises(DriverError, match="end the others"):
            driver.read(0.0)
        other.destroy_publisher(second)
        wait_until(reads)
    node.destroy_node()
    other.destroy_node()


def test_joint_states_that_fell_silent_leave_the_zeros_in_doubt(ros):
    """A controller manager that was started anew may count from another zero."""
    node = rclpy.create_node("broadcaster", namespace=NAMESPACE)
    publisher = node.create_publisher(JointState, "joint_states", 10)
    whole = {"name": ["their_hip", "their_ankle"], "position": [0.1, 0.2], "velocity": [0.0] * 2, "effort": [0.0] * 2}
    with make_driver("ros2_control", {**SETTINGS, "command_order": ORDER}) as driver:
        driver.configure(JOINTS)
        wait_until(lambda: publisher.get_subscription_count() > 0)
        publisher.publish(JointState(**whole))
        assert driver.read(PATIENCE_S) is not None and driver.arming_obstacle() == ""
        time.sleep(0.15)
        publisher.publish(JointState(**whole))
        assert driver.read(PATIENCE_S) is not None
        assert "call exo/confirm_zeros" in driver.arming_obstacle() and set(driver.doubted_zeros()) == set(JOINTS)
        assert "hip_flexion_r" in driver.confirm_zeros() and driver.arming_obstacle() == ""
        driver.doubt_zeros({"ankle_angle_r": "its angle leapt"})
        assert "its angle leapt" in driver.arming_obstacle()
    node.destroy_node()


def test_a_given_order_asks_nobody(ros):
    with make_driver("ros2_control", {**SETTINGS, "command_order": ORDER}) as driver:
        driver.configure(JOINTS)
        assert driver.read(0.01) is None


@pytest.mark.parametrize(
    "fields, word",
    [
        ({"name": ["their_hip"], "position": [0.0], "velocity": [0.0], "effort": [0.0]}, "lacks joint 'their_a"),
        ({"effort": []}, "measures_effort: false"),
        ({"name": ["their_hip", "their_hip"]}, "names their_hip twice"),
        ({"velocity": []}, "0 values of velocity"),
    ],
)
def test_joint_states_that_do_not_fit_are_answered_with_what_lacks(ros, fields, word):
    node = rclpy.create_node("broadcaster", namespace=NAMESPACE)
    publisher = node.create_publisher(JointState, "joint_states", 10)
    whole = {"name": ["their_hip", "their_ankle"], "position": [0.1, 0.2], "velocity": [0.0, 0.0], "effort": [1.0, 2.0]}
    with make_driver("ros2_control", {**SETTINGS, "command_order": ORDER}) as driver:
        driver.configure(JOINTS)
        wait_until(lambda: publisher.get_subscription_count() > 0)
        publisher.publish(JointState(**{**whole, **fields}))
        with pytest.raises(DriverError, match=word):
            driver.read(PATIENCE_S)
        publisher.publish(JointState(**whole))
        assert driver.read(PATIENCE_S).torque.tolist() == [-1.0, 2.0]
    node.destroy_node()


def test_without_measured_effort_the_torque_asked_for_stands_in(ros):
    node = rclpy.create_node("broadcaster", namespace=NAMESPACE)
    publisher = node.create_publisher(JointState, "joint_states", 10)
    settings = {**SETTINGS, "command_order": ORDER, "measures_effort": False}
    with make_driver("ros2_control", settings) as driver:
        driver.configure(JOINTS)
        driver.write(MotorTorque(0, 0, True, JOINTS, np.array([3.0, -5.0])))
        wait_until(lambda: publisher.get_subscription_count() > 0)
        names = ["their_hip", "their_ankle"]
        publisher.publish(JointState(name=names, position=[0.1, 0.2], velocity=[0.0, 0.0]))
        assert driver.read(PATIENCE_S).torque.tolist() == [3.0, -5.0]
    node.destroy_node()


def imu_at(stamp_ns: int, **fields) -> Imu:
    message = Imu()
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.linear_acceleration.z = 9.8
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def test_imu_from_a_topic_is_read(ros):
    source = make_imu_source(ImuConfig(source="topic", topic="imu", namespace=NAMESPACE, max_age_s=0.9))
    source.open()
    with pytest.raises(DriverError, match="no IMU sample on topic 'imu' yet"):
        source.newest()
    node = rclpy.create_node("imu_driver", namespace=NAMESPACE)
    publisher = node.create_publisher(Imu, "imu", qos_profile_sensor_data)

    def has_arrived() -> bool:
        publisher.publish(imu_at(time.time_ns()))
        try:
            return source.newest().linear_acceleration[2] == 9.8
        except DriverError:
            return False

    wait_until(has_arrived)
    second = node.create_publisher(Imu, "imu", qos_profile_sensor_data)

    def is_noticed() -> bool:
        publisher.publish(imu_at(time.time_ns()))
        try:
            source.newest()
        except DriverError as error:
            return "2 nodes publish the IMU's topic 'imu'" in str(error)
        return False

    wait_until(is_noticed)
    node.destroy_publisher(second)
    wait_until(has_arrived)
    source.close()
    source.close()
    node.destroy_node()


NOW_NS = 1_700_000_000_000_000_000


@pytest.mark.parametrize(
    "age_s, word",
    [(0.0, ""), (0.029, ""), (0.031, "0.03 s old"), (10.0, "10.00 s old"), (-0.5, "stamped 0.50 s in the future")],
)
def test_an_imu_is_as_old_as_its_stamp_says_however_often_it_is_repeated(age_s, word):
    source = make_imu_source(ImuConfig(source="topic"))
    source.use_clock(lambda: NOW_NS)
    for _ in range(3):
        source.take(imu_at(NOW_NS - round(age_s * 1e9)))
    if not word:
        assert source.newest().linear_acceleration[2] == 9.8
        return
    with pytest.raises(DriverError, match=word):
        source.newest()


def test_an_imu_without_a_stamp_is_refused():
    source = make_imu_source(ImuConfig(source="topic"))
    source.take(imu_at(0))
    with pytest.raises(DriverError, match="leaves the stamp of its header empty"):
        source.newest()


@pytest.mark.parametrize("what", ["angular_velocity", "linear_acceleration"])
def test_an_imu_that_says_it_measures_no_rate_or_no_force_is_refused(what):
    """Its zeros would be taken for a wearer at rest, or in free fall."""
    source = make_imu_source(ImuConfig(source="topic"))
    source.use_clock(lambda: NOW_NS)
    source.take(imu_at(NOW_NS, **{f"{what}_covariance": [-1.0] + [0.0] * 8}))
    with pytest.raises(DriverError, match=f"has no {what.replace('_', ' ')}"):
        source.newest()


def test_an_imu_that_has_no_orientation_is_passed_on_as_such(device):
    """The policy then estimates up by itself; an identity quaternion would be taken for upright for good."""
    from exo_device.messages import imu_message

    source = make_imu_source(ImuConfig(source="topic"))
    source.use_clock(lambda: NOW_NS)
    for first, has in ((-1.0, False), (0.0, True), (0.01, True)):
        source.take(imu_at(NOW_NS, orientation_covariance=[first] + [0.0] * 8))
        sample = source.newest()
        assert sample.has_orientation is has
        state = SimpleNamespace(stamp_ns=NOW_NS, imu=sample)
        assert (imu_message(state, device).orientation_covariance[0] == -1.0) is not has


def test_without_an_imu_every_sample_says_at_rest_and_no_orientation():
    source = make_imu_source(ImuConfig())
    source.open()
    sample = source.newest()
    assert sample.orientation_xyzw.tolist() == [0.0, 0.0, 0.0, 1.0] and not sample.angular_velocity.any()
    assert sample.linear_acceleration == pytest.approx([0.0, 0.0, 9.80665]) and not sample.has_orientation


def test_the_emulators_program_takes_what_a_launch_file_gives_a_node():
    """A namespace that was pushed around it, a name, remappings and parameters."""
    words = [sys.executable, "-m", "exo_device.emulator", "ros2_control", "--joints", "hip_flexion_r", "--ros-args"]
    words += ["-r", "__ns:=/robot", "-r", "__node:=forward_effort_controller", "-r", "joint_states:=motor_states"]
    words += ["-p", "joints:=[ankle_angle_l]"]
    context, received = rclpy.Context(), []
    rclpy.init(context=context, args=[], domain_id=DOMAIN)
    node = rclpy.create_node("listens", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    node.create_subscription(JointState, "/robot/motor_states", received.append, 10)
    process = subprocess.Popen(words, env={**os.environ, "ROS_DOMAIN_ID": str(DOMAIN)}, stdout=subprocess.DEVNULL)
    try:
        end = time.monotonic() + PATIENCE_S
        while not received or not node.count_subscribers("/robot/forward_effort_controller/commands"):
            assert process.poll() is None and time.monotonic() < end
            executor.spin_once(timeout_sec=0.05)
        assert list(received[0].name) == ["ankle_angle_l"]
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)

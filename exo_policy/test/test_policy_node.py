# SPDX-License-Identifier: Apache-2.0
"""policy_node as a process, with a device that waits for each answer: no speed is asked of the machine."""

import os
import signal
import subprocess
import sys
import time
import uuid

import numpy as np
import pytest

rclpy = pytest.importorskip("rclpy")
pytest.importorskip("exo_msgs")
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Imu, JointState

from exo_msgs.msg import DeviceStatus, TorqueCommand
from exo_msgs.srv import LoadPolicy
from exo_policy.observation import ObservationError
from exo_policy.policy_messages import Pairing, Time, observation_from_messages
from exo_policy.synthetic_gait import synthetic_walk

JOINTS = ("hip_flexion_r", "ankle_angle_r", "hip_flexion_l", "ankle_angle_l")
PATIENCE_S = 30.0
RELIABLE = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def environment(domain=None):
    extra = {"ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST", "PYTHONUNBUFFERED": "1"}
    return {**os.environ, **extra, **({"ROS_DOMAIN_ID": str(domain)} if domain else {})}


def start(*arguments, domain=None, namespace=""):
    command = [sys.executable, "-m", "exo_policy.policy_node", "--ros-args", *arguments]
    if namespace:
        command += ["-r", f"__ns:=/{namespace}"]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(domain)
    )


class Device:
    """Publishes states of a synthetic walk and waits for the command that answers each."""

    def __init__(self, *arguments):
        self.namespace = "t" + uuid.uuid4().hex[:8]  # of its own, whatever else runs in the domain
        self.process = start(*arguments, namespace=self.namespace)
        self.context = rclpy.Context()
        rclpy.init(context=self.context, args=[])
        self.node = rclpy.create_node("device", namespace=self.namespace, context=self.context)
        self.executor = SingleThreadedExecutor(context=self.context)
        self.executor.add_node(self.node)
        self.imu = self.node.create_publisher(Imu, "exo/imu", RELIABLE)
        self.joints = self.node.create_publisher(JointState, "exo/joint_states", RELIABLE)
        self.status = self.node.create_publisher(DeviceStatus, "exo/status", LATCHED)
        self.commands = []
        self.node.create_subscription(TorqueCommand, "exo/command", self.commands.append, RELIABLE)
        self.load = self.node.create_client(LoadPolicy, "policy/load")
        self.parameters = self.node.create_client(SetParameters, "policy_node/set_parameters")
        self.walk = synthetic_walk(JOINTS, 1.25, 20.0)
        self.wait(
            lambda: (
                self.load.service_is_ready()
                and self.joints.get_subscription_count()
                and self.imu.get_subscription_count()
                and self.node.count_publishers("exo/command")
            )
        )

    def wait(self, condition):
        end = time.monotonic() + PATIENCE_S
        while not condition():
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < end, "no answer"
            self.executor.spin_once(timeout_sec=0.05)

    def call(self, client, request):
        future = client.call_async(request)
        self.wait(future.done)
        return future.result()

    def tell(self, mode, **changes):
        fields = {"mode": mode, "names": list(JOINTS), "torque_limit": [22.5, 37.5, 22.5, 37.5], "wearer_mass": 75.0}
        self.status.publish(DeviceStatus(**{**fields, **changes}))
        # the status has no answer of its own: a service call behind it on the same executor is one
        time.sleep(0.2)
        self.call(self.load, LoadPolicy.Request(controller="none"))

    def step(self, i, with_imu=True, **changes):
        """Send sample ``i``, return the torque that answers it."""
        stamp = Time(sec=100 + int(self.walk.stamp_s[i]), nanosec=int(round(self.walk.stamp_s[i] % 1.0 * 1e9)))
        fields = {
            "name": list(JOINTS),
            "position": self.walk.position[i].tolist(),
            "velocity": self.walk.velocity[i].tolist(),
            "effort": [0.0] * 4,
        }
        joints, imu = JointState(**{**fields, **changes}), Imu()
        joints.header.stamp = imu.header.stamp = stamp
        imu.orientation.w = 1.0
        imu.linear_acceleration.z = float(self.walk.linear_acceleration[i, 2])
        if with_imu:
            self.imu.publish(imu)
        self.joints.publish(joints)
        if not with_imu:
            return None
        self.wait(lambda: self.commands and self.commands[-1].state_stamp == stamp)
        assert list(self.commands[-1].names) == list(fields["name"])
        return np.array(self.commands[-1].torque)

    def run(self, start, end, **changes):
        return np.array([self.step(i, **changes) for i in range(start, end)])

    def end(self, number):
        """Stop the node; returns its exit code and output."""
        self.process.send_signal(number)
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        self.close()
        return self.process.returncode, output

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.node is not None:
            self.executor.shutdown()
            self.node.destroy_node()
            self.node = None
            rclpy.shutdown(context=self.context)


@pytest.fixture
def device(request):
    made = Device("-p", "controller:=spline")
    yield made
    made.close()


def test_a_walk_with_everything(device):
    assert not device.run(0, 5).any()  # no status yet
    device.tell(DeviceStatus.DISARMED)
    assert not device.run(5, 400).any()  # a device arms on zero only
    device.tell(DeviceStatus.ACTIVE)
    torque = device.run(400, 520)
    assert torque[:, 1].min() == pytest.approx(-0.4 * 75.0, rel=0.02) and torque[:, 1].max() <= 0.0
    assert torque[:, 0].max() == pytest.approx(0.2 * 75.0, rel=0.02)
    assert [c.sequence for c in device.commands] == list(range(len(device.commands)))

    refused = device.call(device.load, LoadPolicy.Request(controller="learned", checkpoint="/nowhere/x", fade=1.0))
    assert not refused.success and "no such file" in refused.message and "'spline' goes on" in refused.message
    loaded = device.call(device.load, LoadPolicy.Request(controller="learned", fade=0.5))
    assert loaded.success, loaded.message
    faded = device.run(520, 700)
    assert np.abs(np.diff(np.concatenate([torque, faded]), axis=0)).max() < 5.0
    assert -0.5 * 75.0 <= faded[60:, 1].min() < -0.2 * 75.0  # the shipped policy pushes, within the limit

    value = ParameterValue(type=ParameterType.PARAMETER_STRING, string_value="zero")
    changed = device.call(
        device.parameters, SetParameters.Request(parameters=[Parameter(name="controller", value=value)])
    )
    assert changed.results[0].successful, changed.results[0].reason
    assert not device.run(700, 810)[105:].any()
    value.string_value = "magic"
    changed = device.call(
        device.parameters, SetParameters.Request(parameters=[Parameter(name="controller", value=value)])
    )
    assert not changed.results[0].successful and "choose one of" in changed.results[0].reason

    code, output = device.end(signal.SIGINT)
    assert code == 0 and "Traceback" not in output
    assert "computing:" in output and "not loaded: unknown controller 'magic'" in output


def test_what_is_wrong_with_a_sample_is_said_and_answered_with_zero(device):
    device.tell(DeviceStatus.ACTIVE)
    device.run(0, 400)
    assert not device.step(400, position=[float("nan")] * 4).any()
    assert not device.step(401, effort=[]).any()
    assert not device.step(402, name=["hip_flexion_r", "a_r", "b_r", "c_r"]).any()
    assert np.abs(device.run(403, 450)).max() > 10.0
    order = [2, 0, 3, 1]  # another order of the joints in the message is no error
    expected = device.step(450)
    shuffled = device.step(
        451,
        name=[JOINTS[i] for i in order],
        position=device.walk.position[451][order].tolist(),
        velocity=device.walk.velocity[451][order].tolist(),
    )
    np.testing.assert_allclose(shuffled, expected, atol=3.0)
    for i in range(452, 460):
        device.step(i, with_imu=False)
    count = len(device.commands)
    device.wait(lambda: len(device.commands) > count)
    assert not np.any(device.commands[-1].torque)
    code, output = device.end(signal.SIGTERM)
    assert code == 0 and "Traceback" not in output
    for needle in (
        "position holds NaN",
        "0 values of effort",
        "lacks ankle_angle_r",
        "no exo/imu with the stamp",
    ):
        assert needle in output


@pytest.mark.parametrize(
    "arguments, needle",
    [
        (["controller:=magic"], "unknown controller 'magic'; choose one of zero, spline, learned"),
        (["controller:=learned", "checkpoint:=/nowhere/x"], "/nowhere/x.json: no such file"),
        (["hip_peak_nm_per_kg:=-1.0"], "hip_peak_nm_per_kg must be a number"),
        (["fade_s:=soon"], "fade_s must be a number"),
        (["controller:=learned", "strengths:=half"], "'half' is not like"),
    ],
)
def test_bad_parameters_end_with_one_line(arguments, needle):
    process = start(*[part for argument in arguments for part in ("-p", argument)])
    output, _ = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 2
    assert needle in output and len(output.strip().splitlines()) == 1


def test_pairs_are_matched_by_stamp_in_any_order():
    def at(kind, nanoseconds):
        message = kind()
        message.header.stamp.nanosec = nanoseconds
        return message

    pairing = Pairing(depth=3)
    assert pairing.add_joints(at(JointState, 1)) is None
    assert pairing.add_imu(at(Imu, 2)) is None
    joints, imu = pairing.add_joints(at(JointState, 2))
    assert joints.header.stamp.nanosec == imu.header.stamp.nanosec == 2
    assert pairing.add_imu(at(Imu, 1)) is None  # older than an answered pair: its partner is gone
    assert pairing.pop_unpaired() is None
    for stamp in (3, 4, 5):
        pairing.add_joints(at(JointState, stamp))
    assert pairing.pop_unpaired().header.stamp.nanosec == 3
    assert pairing.pop_unpaired() is None


def test_a_state_that_names_a_joint_twice_is_no_observation():
    twice = JointState(name=["hip_flexion_r"] * 2, position=[0.1, 0.2], velocity=[0.0] * 2, effort=[0.0] * 2)
    with pytest.raises(ObservationError, match="hip_flexion_r twice"):
        observation_from_messages(twice, Imu(), ("hip_flexion_r",))

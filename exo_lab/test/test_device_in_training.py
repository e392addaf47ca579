# SPDX-License-Identifier: Apache-2.0
"""The device of a training is the one that is deployed: the same readings and the same limits, many at once."""

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.description import Strap
from exo_device.devices import find_device
from exo_device.safety import Instant, Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command
from exo_lab.train.exo_config import load_exo_config
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.human.walkers import Walkers
from exo_sim.plant.sensors import DeviceSensors
from exo_sim.world.crowd import Crowd

PEOPLE = (Subject(), Subject(height_m=1.6, mass_kg=55.0), Subject(height_m=1.85, mass_kg=95.0))


def strapped(noise):
    """The hip_ankle device on compliant straps, with its sensor noise or without."""
    device = find_device("hip_ankle")
    joints = {
        name: joint.model_copy(update={"strap": Strap(stiffness_nm_per_rad=300.0 + 100.0 * i)})
        for i, (name, joint) in enumerate(device.joints.items())
    }
    quiet = {
        "joint_sensors": device.joint_sensors.model_copy(
            update=dict.fromkeys(("position_noise_rad", "velocity_noise_rad_s", "torque_noise_nm"), 0.0)
        ),
        "imu": device.imu.model_copy(
            update=dict.fromkeys(("gyro_noise_rad_s", "accel_noise_m_s2", "orientation_noise_rad"), 0.0)
        ),
    }
    return device.model_copy(update={"joints": joints, **({} if noise else quiet)})


def walk(walkers, steps, torque_nm=15.0):
    """Yields after every control period, with a torque that swings."""
    for i in range(walkers.count):
        walkers.place(i, 0.3 * i, 1.2)
    for step in range(steps):
        for data in walkers.datas:
            data.ctrl[walkers.body.exo_actuators] = torque_nm * np.sin(0.3 * step)
        walkers.coordinate_and_step()
        yield step


def test_sensors_of_many_read_what_those_of_each_read():
    device = strapped(noise=False)
    bodies = [build_body(subject, device, 300.0) for subject in PEOPLE]
    walkers = Walkers(bodies)
    crowd = DeviceSensors(bodies[0], np.random.default_rng(0), count=3)
    alone = [DeviceSensors(body, np.random.default_rng(0)) for body in bodies]
    before, fastest = None, 0.0
    for step in walk(walkers, 40):
        if step == 20:
            crowd.restart(1)
            alone[1].restart(0)
        readings = crowd.read(walkers.datas)
        for i, sensors in enumerate(alone):
            own, theirs = sensors.read([walkers.datas[i]]).of(0), readings.of(i)
            for field in (
                "position",
                "velocity",
                "torque",
                "orientation_xyzw",
                "angular_velocity",
                "linear_acceleration",
            ):
                assert np.array_equal(getattr(own, field), getattr(theirs, field)), field
        joints = bodies[0].exo_joint_index
        stretch = readings.position - np.stack([data.qpos[bodies[0].joint_qpos[joints]] for data in walkers.datas])
        rate = readings.velocity - np.stack([data.qvel[bodies[0].joint_dof[joints]] for data in walkers.datas])
        if step not in (0, 20):  # the velocity read is that of the position read, the straps' stretching included
            assert rate == pytest.approx((stretch - before) / 0.01, abs=1e-9)
            fastest = max(fastest, np.abs(rate).max())
        before = stretch
    assert fastest > 0.1
    assert np.linalg.norm(readings.linear_acceleration, axis=1) == pytest.approx(9.81, abs=8.0)


def test_noise_of_every_reading_is_that_of_the_description():
    device = strapped(noise=True)
    body = build_body(Subject(), device, 300.0)
    walkers = Walkers([body] * 200)
    for _ in walk(walkers, 1):
        pass
    exact = DeviceSensors(build_body(Subject(), strapped(noise=False), 300.0), np.random.default_rng(0)).read(
        [walkers.datas[0]]
    )
    for i in range(1, 200):  # everybody in one and the same state
        walkers.datas[i] = walkers.datas[0]
    readings = DeviceSensors(body, np.random.default_rng(1), count=200).read(walkers.datas)
    noise, imu = device.joint_sensors, device.imu
    for field, deviation in (
        ("position", noise.position_noise_rad),
        ("velocity", noise.velocity_noise_rad_s),
        ("torque", noise.torque_noise_nm),
        ("angular_velocity", imu.gyro_noise_rad_s),
        ("linear_acceleration", imu.accel_noise_m_s2),
    ):
        assert (getattr(readings, field) - getattr(exact, field)).std() == pytest.approx(deviation, rel=0.15), field
    # the angle between the orientation read and the true one
    share = np.abs((readings.orientation_xyzw * exact.orientation_xyzw).sum(axis=1)).clip(max=1.0)
    angle = 2.0 * np.arccos(share)
    assert np.sqrt((angle**2).mean() / 3.0) == pytest.approx(imu.orientation_noise_rad, rel=0.15)


def test_a_tilted_imu_reads_everything_in_its_own_axes():
    body = build_body(Subject(), strapped(noise=False), 300.0)
    walkers = Walkers([body] * 2)
    for _ in walk(walkers, 30):
        pass
    walkers.datas[1] = walkers.datas[0]
    sensors = DeviceSensors(body, np.random.default_rng(0), count=2)
    sensors.mount(
        1,
        compliance=0.0,
        position_offset=np.full(4, 0.02),
        tilt_offset=np.array([0.0, 0.05, 0.0]),
        gyro_offset=np.zeros(3),
        noise_factor=1.0,
    )
    straight, tilted = (sensors.read(walkers.datas).of(i) for i in range(2))
    cos, sin = np.cos(0.05), np.sin(0.05)
    back = np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])  # axes turned about y
    assert tilted.angular_velocity == pytest.approx(back @ straight.angular_velocity, abs=1e-4)
    assert tilted.linear_acceleration == pytest.approx(back @ straight.linear_acceleration, abs=1e-2)


@pytest.mark.parametrize("already_walking", [0.0, 1.0])
def test_torque_in_training_is_what_the_supervisor_would_let_through(already_walking):
    """Every wearer's readings and requests, given to a supervisor of the wearer's own as well."""
    config = load_exo_config("exo")
    config = config.model_copy(
        update={
            "envs_per_worker": 3,
            "stop_share": 0.0,
            "speed_change_s": 1e9,
            "people": config.people.model_copy(update={"bodies": 1}),
            "limits": config.limits.model_copy(update={"already_walking": already_walking, "heat": (0.0, 0.0)}),
        }
    )
    device = find_device("hip_ankle")
    people = Crowd(device, config, None, np.random.default_rng(5))
    supervisors = [SafetySupervisor(device, mass, SafetyConfig(lockstep=True)) for mass in people.assumed_mass]
    random, gated, given = np.random.default_rng(6), np.zeros(3, dtype=int), 0.0
    request, start = np.zeros((3, 4)), Instant(0, 0)
    people.look()
    for i, supervisor in enumerate(supervisors):  # armed one period before the first reading that both see
        supervisor.arm(start)
        supervisor.on_state(people._reading.of(i).device_state(0, 0), start)
        supervisor.on_command(Command(0, 0, device.joint_names, request[i]), start)
        supervisor.update(start)
        assert supervisor.mode is Mode.ACTIVE
        if already_walking:
            supervisor._assistance.begin(0, walking=True)
    people._ticks = 1
    for step in range(1, 500):
        reading, now_ns = people._reading, to_ns(0.01 * step)
        people.act(np.zeros((3, 4)))
        if step % 25 == 0:
            request = random.uniform(-0.4, 0.4, (3, 4)) * people.limit
        people.share = request / people.limit
        people.advance()
        people.look()
        torque = people.limiter.slew.torque
        for i, supervisor in enumerate(supervisors):
            now = Instant(now_ns, now_ns)
            supervisor.on_state(reading.of(i).device_state(now_ns, step), now)
            supervisor.on_command(Command(now_ns, step, device.joint_names, request[i]), now)
            output = supervisor.update(now)
            assert torque[i] == pytest.approx(output.torque, abs=1e-9), (step, i)
            gated[i] += not output.torque.any()
            given = max(given, np.abs(output.torque).max())
    assert all(supervisor.mode is Mode.ACTIVE for supervisor in supervisors)
    assert given > 5.0
    assert (gated > 60).all() if not already_walking else (gated < 60).all()

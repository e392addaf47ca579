# SPDX-License-Identifier: Apache-2.0
import mujoco
import numpy as np
import pytest

from exo_device.devices import find_device
from exo_sim.body.model import build_body
from exo_sim.body.native import compute_paths, function_address, muscle_paths
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.human.walkers import Walkers

SUBJECTS = (
    Subject(),
    Subject(height_m=1.55, mass_kg=52.0),
    Subject(height_m=1.9, mass_kg=104.0, strengths={"plantarflexors_r": 0.5}),
)


def test_muscle_paths_are_those_of_mujoco_in_any_posture():
    body = build_body(SUBJECTS[1], None, 300.0)
    model, data = body.model, mujoco.MjData(body.model)
    paths, scratch = muscle_paths(model), np.zeros((model.nv + 2, 6))
    random = np.random.default_rng(0)
    for _ in range(30):
        data.qpos[:] = body.standing_qpos
        data.qpos[:3] += random.normal(size=3) * 10.0
        data.qpos[3:7] = random.normal(size=4)
        data.qpos[body.joint_qpos] += 0.4 * random.normal(size=14)
        data.qpos[body.coupling.qpos] = body.coupling.positions(data.qpos[body.joint_qpos])
        mujoco.mj_forward(model, data)
        length, moment = data.ten_length.copy(), data.ten_J.copy()
        data.ten_length[:] = data.ten_J[:] = np.nan
        compute_paths(
            paths,
            *(
                array.ctypes.data
                for array in (
                    data.site_xpos,
                    data.geom_xpos,
                    data.geom_xmat,
                    model.geom_size,
                    data.xaxis,
                    data.xanchor,
                    data.ten_length,
                    data.ten_J,
                )
            ),
            scratch,
        )
        assert data.ten_length == pytest.approx(length, abs=1e-12)
        assert data.ten_J == pytest.approx(moment, abs=1e-11)


@pytest.mark.parametrize("device", ["hip_ankle", "none"])
def test_the_compiled_step_moves_people_of_any_size_as_mujocos_own_does(device):
    def crowd(compiled):
        walkers = Walkers([build_body(subject, find_device(device), 300.0) for subject in SUBJECTS], compiled)
        for i in range(walkers.count):
            walkers.place(i, 0.3 * i, 1.2)
        # somebody else joins later
        body = build_body(Subject(height_m=1.8), find_device(device), 300.0)
        walkers.set_body(0, body, 1.1)
        walkers.place(0, 0.5, 1.0)
        return walkers

    compiled, plain = crowd(True), crowd(False)
    random = np.random.default_rng(1)
    for _ in range(10):
        action = 0.3 * random.normal(size=(3, 14))
        for walkers in (compiled, plain):
            walkers.set_action(action)
            for data in walkers.datas:
                data.ctrl[walkers.body.exo_actuators] = 5.0
            for _ in range(2):
                walkers.coordinate_and_step()
    assert max(data.ncon for data in plain.datas) > 0
    for a, b in zip(compiled.datas, plain.datas, strict=False):
        for field in ("qpos", "qvel", "act", "ctrl", "actuator_length", "actuator_force"):
            assert getattr(a, field) == pytest.approx(getattr(b, field), rel=1e-6, abs=1e-7), field
        at = compiled.body.imu_sensor["accelerometer"]
        assert a.sensordata[at : at + 3] == pytest.approx(b.sensordata[at : at + 3], rel=1e-4, abs=1e-4)
    assert compiled.wanted_torque == pytest.approx(plain.wanted_torque, rel=1e-6, abs=1e-6)
    assert compiled.observe() == pytest.approx(plain.observe(), abs=1e-5)


def test_a_function_that_this_mujoco_lacks_is_named():
    with pytest.raises(SimError, match="mj_walk"):
        function_address("mj_walk")

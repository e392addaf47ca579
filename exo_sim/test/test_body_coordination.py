# SPDX-License-Identifier: Apache-2.0
import mujoco
import numpy as np
import pytest
from scipy.optimize import lsq_linear

from exo_sim.body.coordination import TORQUE_WEIGHT, Coordinator, share
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.gait.reference import JOINTS


@pytest.mark.parametrize("torque_scale", [5.0, 20.0, 60.0, 200.0])
def test_sharing_is_optimal_also_when_the_torque_cannot_be_reached(torque_scale):
    random = np.random.default_rng(3)
    weight = np.sqrt(TORQUE_WEIGHT)
    for _ in range(20):
        arms = random.normal(size=(7, 40)) * 30.0 * (random.random((7, 40)) < 0.4)
        torque = random.normal(size=7) * torque_scale
        activation = np.zeros(40)
        share(arms, torque, activation)
        best = lsq_linear(
            np.vstack([np.eye(40), weight * arms]),
            np.r_[np.zeros(40), weight * torque],
            (0.0, 1.0),
            tol=1e-14,
            max_iter=500,
        )
        assert activation == pytest.approx(best.x, abs=1e-4)


@pytest.fixture(scope="module")
def body():
    return build_body(Subject(), None, 500.0)


def settle(body, goal_offset, exo=None, steps=30):
    """Activations that coordination settles on for a fixed body and joint goals off by goal_offset."""
    coordinator, data = Coordinator(body), mujoco.MjData(body.model)
    zero, wanted = np.zeros(len(JOINTS)), np.zeros(len(JOINTS))
    mujoco.mj_forward(body.model, data)
    angle = data.qpos[body.joint_qpos].copy()
    for _ in range(steps):
        coordinator.excite(data, angle + goal_offset, zero, zero, zero if exo is None else exo, wanted)
        data.act[:] = data.ctrl[:80]
    mujoco.mj_forward(body.model, data)
    return data, wanted


def test_muscles_make_the_torque_that_is_asked_for(body):
    offset = np.zeros(len(JOINTS))
    offset[JOINTS.index("knee_angle_r")] = 0.05
    offset[JOINTS.index("ankle_angle_l")] = -0.1
    data, wanted = settle(body, offset)
    torque = data.qfrc_actuator[body.joint_dof].copy()
    slopes = body.coupling.slopes(data.qpos[body.joint_qpos])
    np.add.at(torque, body.coupling.leader, data.qfrc_actuator[body.coupling.dof] * slopes)
    assert np.abs(wanted).max() > 10.0
    assert torque == pytest.approx(wanted, abs=1.5)


def test_exoskeleton_torque_unloads_the_muscles(body):
    offset = np.zeros(len(JOINTS))
    ankle = JOINTS.index("ankle_angle_r")
    offset[ankle] = -0.3  # 60 Nm of plantarflexion
    exo = np.zeros(len(JOINTS))
    exo[ankle] = -40.0
    soleus = body.muscles.index("soleus_r")
    alone, helped = settle(body, offset)[0].act[soleus], settle(body, offset, exo)[0].act[soleus]
    assert helped < 0.6 * alone


def test_weak_muscles_leave_the_work_to_their_synergists(body):
    offset = np.zeros(len(JOINTS))
    offset[JOINTS.index("ankle_angle_r")] = -0.2
    gastrocnemius, soleus = body.muscles.index("gasmed_r"), body.muscles.index("soleus_r")
    strong = settle(body, offset)[0].act.copy()
    force = body.model.actuator_gainprm[soleus, 2]
    body.model.actuator_gainprm[soleus, 2] = body.model.actuator_biasprm[soleus, 2] = 0.1 * force
    try:
        weak = settle(body, offset)[0].act.copy()
    finally:
        body.model.actuator_gainprm[soleus, 2] = body.model.actuator_biasprm[soleus, 2] = force
    assert weak[gastrocnemius] > 1.2 * strong[gastrocnemius]

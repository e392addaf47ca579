# SPDX-License-Identifier: Apache-2.0
import numpy as np
import pytest

from exo_device.devices import find_device
from exo_policy.checkpoint import CheckpointError, save_checkpoint
from exo_sim.body.model import build_body
from exo_sim.body.muscle_groups import MUSCLES_BY_SIDE
from exo_sim.body.subject import Subject
from exo_sim.human.checkpoint import NERVES_KIND, find_human, load_any_human, load_human, shipped_human
from exo_sim.human.control import NerveControl
from exo_sim.human.observation import ACTION_SIZE
from exo_sim.human.senses import (
    NERVES_CONTRACT,
    SENSES,
    SENSES_SIZE,
    DelayLine,
    Senses,
    muscle_mirror_index,
    senses_mirror_map,
)
from exo_sim.human.walkers import Walkers
from exo_sim.plant.simulation import Simulation


@pytest.fixture(scope="module")
def body():
    return build_body(Subject(), None, 300.0, accelerometer=False)


@pytest.fixture(scope="module")
def worn():
    return build_body(Subject(), find_device("hip_ankle"), 300.0, accelerometer=False)


def part(observation: np.ndarray, name: str) -> np.ndarray:
    """A sense's columns."""
    start = 0
    for sense in SENSES:
        if sense.name == name:
            return observation[:, start : start + sense.size]
        start += sense.size
    raise KeyError(name)


def write_nerves(path, seed=0):
    """A checkpoint of nerves that have learned nothing."""
    random, sizes = np.random.default_rng(seed), (SENSES_SIZE, 8, len(MUSCLES_BY_SIDE))
    tensors = {"obs_mean": np.zeros(SENSES_SIZE, np.float32), "obs_std": np.ones(SENSES_SIZE, np.float32)}
    for i, (inputs, outputs) in enumerate(zip(sizes[:-1], sizes[1:], strict=True)):
        tensors[f"layer{i}.weight"] = (0.02 * random.standard_normal((outputs, inputs))).astype(np.float32)
        tensors[f"layer{i}.bias"] = np.full(outputs, 0.05, np.float32)
    manifest = {
        "kind": NERVES_KIND,
        "network": {"sizes": list(sizes), "observation_clip": None},
        "contract": NERVES_CONTRACT.model_dump(),
    }
    save_checkpoint(path, tensors, manifest)
    return path


def test_the_contract_names_every_muscle_and_every_sense_once(body):
    assert sorted(NERVES_CONTRACT.action.names) == sorted(body.muscles)
    assert NERVES_CONTRACT.observation_size == SENSES_SIZE == len(senses_mirror_map()[0])
    names = [term.name for term in NERVES_CONTRACT.observation]
    assert len(set(names)) == len(names)
    # nothing of a device: no torque, no command, no state of one
    assert not any(word in name for name in names for word in ("exo", "device", "torque", "motor"))


def test_a_delay_line_gives_everything_as_late_as_it_is_said_to_be():
    line = DelayLine(2, np.array([0, 1, 3]))
    line.fill(np.array([True, True]), np.zeros((2, 3)))
    seen = [line.push(np.full((2, 3), float(t)))[0] for t in range(1, 7)]
    assert np.array(seen)[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert np.array(seen)[:, 1].tolist() == [0, 1, 2, 3, 4, 5]
    assert np.array(seen)[:, 2].tolist() == [0, 0, 0, 1, 2, 3]
    line.fill(np.array([1]), np.full((1, 3), 9.0))
    assert line.arriving()[0].tolist() == [6, 5, 3] and line.arriving()[1].tolist() == [9, 9, 9]


def test_senses_arrive_after_their_delays_and_a_new_start_forgets(body):
    walkers = Walkers([body] * 2)
    for i in range(2):
        walkers.place(i, 0.1 + 0.4 * i, 1.2)
    senses = Senses(walkers)
    truth, felt = [senses._present(None)], [senses.sense()]
    walkers.set_activation(np.full((2, 80), 0.1))
    for _ in range(20):
        walkers.coordinate_and_step()
        truth.append(senses._present(None))
        felt.append(senses.sense())
    truth, felt = np.array(truth), np.array(felt)
    start = 0
    for sense in SENSES:
        for k, delay in enumerate(sense.delays_s):
            late, column = round(100 * delay), start + k
            assert np.array_equal(felt[late:, :, column], truth[: len(truth) - late, :, column]), sense.name
        start += sense.size
    delays = {sense.name: sense.delays_s for sense in SENSES}
    for name in ("fibre_length_minus_optimal", "fibre_velocity", "tendon_force", "up_in_trunk", "sole_load_r_l"):
        assert min(delays[name]) >= 0.03, name
    walkers.place(1, 0.9, 1.0)
    again = senses.renew(felt[-1])
    assert np.array_equal(again[0], felt[-1][0]) and np.array_equal(again[1], senses._present(None)[1])
    assert np.array_equal(senses.renew(again), again)


def test_half_a_stride_later_everything_is_sensed_in_the_mirror(body):
    walkers = Walkers([body] * 2)
    walkers.place(0, 0.2, 1.2)
    walkers.place(1, 0.7, 1.2)
    observation = Senses(walkers).sense()
    index, sign = senses_mirror_map()
    assert observation[1] == pytest.approx(sign * observation[0][index], abs=1e-4)
    assert np.abs(observation[1] - observation[0]).max() > 0.1
    mirror = muscle_mirror_index()
    assert all(
        MUSCLES_BY_SIDE[mirror[i]] == name[:-1] + ("l" if name.endswith("r") else "r")
        for i, name in enumerate(MUSCLES_BY_SIDE)
    )


def test_what_the_coordination_wants_moves_a_body_as_the_coordination_does(body):
    random = np.random.default_rng(0)
    driven, told = Walkers([body] * 2), Walkers([body] * 2)
    for walkers in (driven, told):
        for i in range(2):
            walkers.place(i, 0.3 * i, 1.2)
    for _ in range(5):
        action = random.standard_normal((2, ACTION_SIZE))
        driven.set_activation(driven.coordinated_activation(action))
        told.set_action(action)
        for walkers in (driven, told):
            walkers.coordinate_and_step()
        for a, b in zip(driven.datas, told.datas, strict=True):
            assert np.array_equal(a.qpos, b.qpos) and np.array_equal(a.act, b.act)
        assert np.array_equal(driven.phase, told.phase)


def test_plain_and_compiled_steps_agree_on_wanted_activations(body):
    plain, compiled = Walkers([body], compiled=False), Walkers([body])
    random = np.random.default_rng(1)
    for walkers in (plain, compiled):
        walkers.place(0, 0.4, 1.0)
    for _ in range(10):
        wanted = random.uniform(-0.1, 0.5, (1, 80))
        for walkers in (plain, compiled):
            walkers.set_activation(wanted)
            walkers.coordinate_and_step()
    assert plain.datas[0].qpos == pytest.approx(compiled.datas[0].qpos, abs=1e-9)
    assert plain.datas[0].act == pytest.approx(compiled.datas[0].act, abs=1e-9)


def test_nobody_is_told_what_the_device_gives(worn, tmp_path):
    """Two bodies in one state, of which one's device gives full torque at this instant, decide alike."""
    walkers = Walkers([worn] * 2)
    for i in range(2):
        walkers.place(i, 0.45, 1.2)
    for data, torque in zip(walkers.datas, (0.0, 20.0), strict=True):
        data.ctrl[worn.exo_actuators] = torque
        data.act[len(worn.muscles) :] = torque
        data.actuator_force[worn.exo_actuators] = torque
    control = NerveControl(walkers, load_any_human(write_nerves(tmp_path / "nerves")).policy)
    action = control.decide()
    assert np.array_equal(action[0], action[1])
    wanted = walkers.coordinated_activation(np.zeros((2, ACTION_SIZE)))
    assert np.array_equal(wanted[0], wanted[1])  # what is imitated does not know it either
    for _ in range(12):  # and yet it is felt: the body moves otherwise, and after the nerves' delay that is sensed
        walkers.coordinate_and_step()
        action = control.decide()
    assert np.abs(action[0] - action[1]).max() > 1e-4
    walkers.set_action(np.zeros((2, ACTION_SIZE)))
    walkers.coordinate_and_step()
    muscles = len(worn.muscles)  # the coordination of joint goals is told
    assert np.abs(walkers.datas[0].ctrl[:muscles] - walkers.datas[1].ctrl[:muscles]).max() > 1e-3


def test_a_checkpoint_says_which_kind_of_human_it_is(tmp_path):
    nerves = write_nerves(tmp_path / "nerves")
    assert load_any_human(nerves).kind == NERVES_KIND and load_any_human(None).kind == "human"
    with pytest.raises(CheckpointError, match="of kind 'nerves', not 'human'"):
        load_human(nerves)
    assert find_human(None) == find_human("") == find_human("walker") == shipped_human()
    assert find_human("impaired_walker") == shipped_human(impaired=True)
    assert find_human(nerves) == nerves


def test_the_simulator_is_driven_by_nerves_reproducibly(tmp_path):
    path = str(write_nerves(tmp_path / "nerves"))
    runs = []
    for _ in range(2):
        simulation = Simulation(Subject(), find_device("hip_ankle"), human=path, speed_mps=1.0, seed=3)
        runs.append([simulation.advance({}).activation.copy() for _ in range(30)])
    assert np.array_equal(runs[0], runs[1])
    walker = Simulation(Subject(), find_device("hip_ankle"), speed_mps=1.0, seed=3)
    assert not np.allclose(runs[0][-1], [walker.advance({}).activation for _ in range(30)][-1])

# SPDX-License-Identifier: Apache-2.0
"""Service sim/set_subject: impairments while walking."""

from types import SimpleNamespace

import pytest

rclpy = pytest.importorskip("rclpy")
from exo_msgs.srv import SetSubject
from exo_sim.body.subject import Subject, load_subject, make_impairments
from exo_sim.plant.gait_measurement import GaitMeasurement
from exo_sim.plant.simulation import Simulation
from exo_sim.ros.interface import SimulatorInterface
from exo_sim.ros.messages import stamp, subject_message


@pytest.fixture(scope="module")
def simulator():
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=97)
    node = rclpy.create_node("set_subject_test", context=context)
    simulation = Simulation(Subject(), None, speed_mps=1.25)
    interface = SimulatorInterface(node, simulation, GaitMeasurement(75.0, 0.01), "pelvis_imu")
    yield SimpleNamespace(
        simulation=simulation,
        ask=lambda **fields: interface._on_set_subject(SetSubject.Request(**fields), SetSubject.Response()),
    )
    node.destroy_node()
    rclpy.shutdown(context=context)


def test_a_preset_acts_on_the_next_step_and_health_comes_back(simulator):
    simulation = simulator.simulation
    simulation.set_subject(Subject())
    for _ in range(30):
        simulation.advance({})
    walked = simulation.sample.root_position[0]
    answer = simulator.ask(impairments="preset: hemiparesis_severe_right")
    assert answer.success and "impairments" in answer.message
    assert simulation.subject.only == load_subject("preset:hemiparesis_severe_right").only
    assert simulation.body.deficit[0] > 0.9 and simulation.body.deficit[1] == 0.0
    simulation.advance({})
    assert simulation.sample.root_position[0] > walked, "walking went on"
    assert simulator.ask(impairments="{}").success
    assert simulation.subject == Subject() and not simulation.body.deficit.any()


def test_strengths_change_on_top_and_leave_the_rest(simulator):
    simulation = simulator.simulation
    simulation.set_subject(load_subject("preset:crouch"))
    assert simulator.ask(strength_groups=["plantarflexors_l"], strengths=[0.3]).success
    assert simulation.subject.strengths["plantarflexors_l"] == 0.3
    assert simulation.subject.contractures == load_subject("preset:crouch").contractures
    assert simulator.ask(
        impairments="{co_contraction: {knee_angle_r: 0.1}}", strength_groups=["soleus_r"], strengths=[0.5]
    ).success
    assert simulation.subject.only == make_impairments(
        "{co_contraction: {knee_angle_r: 0.1}, strengths: {soleus_r: 0.5}}"
    )


def test_another_size_keeps_the_impairments(simulator):
    simulator.simulation.set_subject(Subject())
    assert simulator.ask(impairments="preset: drop_foot_left", height=1.8, mass=80.0).success
    assert simulator.simulation.subject.height_m == 1.8
    assert simulator.simulation.subject.strengths["dorsiflexors_l"] == 0.1
    assert simulator.simulation.body.deficit[1] == 1.0


@pytest.mark.parametrize(
    "fields, part",
    [
        ({"impairments": "preset: nobody"}, "drop_foot_right"),
        ({"impairments": "[1"}, "expected ',' or ']'"),
        ({"impairments": "[" * 5000}, "nested too deeply"),
        ({"impairments": "strengths: {soleus_r: 1, soleus_r: 0.5}"}, "'soleus_r' stands twice"),
        ({"impairments": "height_m: 1.8"}, "height_m"),
        ({"impairments": "weak"}, "expected fields"),
        (
            {"impairments": "strengths: {plantarflexors_r: 0.5}", "strength_groups": ["soleus_r"], "strengths": [0.3]},
            "soleus_r",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(simulator, fields, part):
    simulator.simulation.set_subject(Subject(mass_kg=80.0))
    answer = simulator.ask(**fields)
    assert not answer.success and part in answer.message
    assert simulator.simulation.subject == Subject(mass_kg=80.0)


def test_the_subject_message_says_everything(simulator):
    subject = load_subject("preset:hemiparesis_mild_left")
    message = subject_message(subject, stamp(1.0))
    assert make_impairments(message.impairments) == subject.only
    assert dict(zip(message.strength_groups, message.strengths, strict=False)) == subject.strengths
    assert subject_message(Subject(), stamp(0.0)).impairments == "{}"


@pytest.mark.parametrize(
    "fields",
    [
        {"impairments": "[" * 5000},
        {"impairments": "{a: " * 2000},
        {"impairments": "\x1b[2J\n[INFO] [1.1] [simulator_node]: all is well\0"},
        {"impairments": "&a [*a]"},
        {"strength_groups": ["\x1b[2J" * 1000], "strengths": [0.5]},
        {"strength_groups": ["soleus_r"], "strengths": [float("nan")]},
        {"height": float("nan")},
        {"mass": float("inf")},
        {"height": -1.0},
    ],
)
def test_whatever_is_sent_is_answered_in_one_line_and_changes_nothing(simulator, fields):
    before = simulator.simulation.subject
    answer = simulator.ask(**fields)
    assert not answer.success and answer.message.isprintable() and 0 < len(answer.message.encode()) <= 512
    assert simulator.simulation.subject == before

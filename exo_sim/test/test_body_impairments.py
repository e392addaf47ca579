# SPDX-License-Identifier: Apache-2.0
"""Impairments: each changes what it names and nothing else, in the plain step and in the batched one."""

import re

import mujoco
import numpy as np
import pytest

from exo_sim.body.coordination import Coordinator
from exo_sim.body.impaired_body import REFLEX_DELAY_PERIODS, Nerves
from exo_sim.body.impairments import ANTAGONISTS, Contracture, Impairments, Spasticity, healthy_range
from exo_sim.body.model import build_body
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, MUSCLES_BY_SIDE, muscles_of, strength_by_group
from exo_sim.body.subject import Subject, load_subject, make_subject
from exo_sim.errors import SimError
from exo_sim.gait.reference import JOINTS
from exo_sim.human.walkers import Walkers
from exo_sim.plant.energetics import CrowdEnergetics, Energetics, muscle_parameters
from exo_sim.plant.simulation import Simulation
from exo_sim.subjects import presets

#: One of each, on named muscles or joints of one side.
ONE_OF_EACH = {
    "strengths": {"strengths": {"plantarflexors_r": 0.5}},
    "strength of a muscle": {"strengths": {"soleus_r": 0.0}},
    "contractures": {
        "contractures": {"ankle_angle_r": Contracture(stiffness_nm_per_rad=40.0, rest_rad=-0.1, range_rad=(-0.5, 0.05))}
    },
    "spasticity": {"spasticity": {"hip_adductors_r": Spasticity(gain=0.5, threshold=0.1)}},
    "activation_slowdown": {"activation_slowdown": {"knee_extensors_r": 3.0}},
    "deactivation_slowdown": {"deactivation_slowdown": {"knee_extensors_r": 2.0}},
    "co_contraction": {"co_contraction": {"knee_angle_r": 0.3}},
    "weakness": {"strengths": {"soleus_r": 0.4}, "weakness": {"soleus_r": "atrophy"}},
}


@pytest.fixture(scope="module")
def healthy():
    return build_body(Subject(), None, 300.0, accelerometer=False)


def impaired(healthy, fields):
    body = healthy.own_copy()
    body.impair(Impairments(**fields))
    return body


def changed_rows(before: mujoco.MjModel, after: mujoco.MjModel) -> dict[str, set[int]]:
    """Arrays of the model that differ, and in which rows."""
    found = {}
    for name in dir(before):
        a = getattr(before, name, None) if not name.startswith("_") else None
        if isinstance(a, np.ndarray) and a.size:
            differs = np.asarray(a != getattr(after, name)).reshape(len(a), -1).any(axis=1)
            if differs.any():
                found[name] = set(np.flatnonzero(differs).tolist())
    return found


def indices(body, names) -> set[int]:
    return {body.muscles.index(muscle) for name in names for muscle in muscles_of(name)}


def nerves_of(body) -> Nerves:
    return Nerves(*body.condition.nerves)


def test_without_muscles_named_nothing_is_changed(healthy):
    assert not changed_rows(healthy.model, impaired(healthy, {}).model)
    assert not healthy.condition.nerves.any() and (healthy.condition.muscle_mass == 1.0).all()
    assert set(healthy.muscles) == set(MUSCLES_BY_SIDE)
    for joint, name in zip(healthy.condition.joint_ranges, JOINTS, strict=False):
        assert joint == pytest.approx(healthy_range(name), abs=1e-3)


@pytest.mark.parametrize("name", ["plantarflexors_r", "hip_flexors_l", "soleus_l"])
def test_strength_changes_the_force_of_its_muscles_alone(healthy, name):
    body = impaired(healthy, {"strengths": {name: 0.4}})
    weak = indices(body, [name])
    assert changed_rows(healthy.model, body.model) == {"actuator_gainprm": weak, "actuator_biasprm": weak}
    assert not body.condition.nerves.any() and (body.condition.muscle_mass == 1.0).all()
    for m in weak:
        assert body.model.actuator_gainprm[m, 2] == pytest.approx(0.4 * healthy.default_force[m])
    same = np.delete(np.arange(10), 2)
    assert (body.model.actuator_gainprm[:, same] == healthy.model.actuator_gainprm[:, same]).all()


def test_contracture_changes_spring_and_range_of_its_joint_alone(healthy):
    body = impaired(healthy, ONE_OF_EACH["contractures"])
    joint = body.model.joint("ankle_angle_r")
    assert changed_rows(healthy.model, body.model) == {
        "jnt_stiffness": {joint.id},
        "jnt_range": {joint.id},
        "qpos_spring": {int(joint.qposadr[0])},
    }
    assert not body.condition.nerves.any()
    plain, stiff = mujoco.MjData(healthy.model), mujoco.MjData(body.model)
    for angle in (-0.4, 0.0, 0.04):
        for model, data in ((healthy.model, plain), (body.model, stiff)):
            data.qpos[:] = body.standing_qpos
            data.qpos[joint.qposadr] = angle
            mujoco.mj_forward(model, data)
        torque = stiff.qfrc_passive - plain.qfrc_passive
        assert torque[joint.dofadr[0]] == pytest.approx(40.0 * (-0.1 - angle))
        assert np.count_nonzero(np.abs(torque) > 1e-9) == (angle != -0.1)
    # at the end of the range that is left, the joint does not give way
    for model, data in ((healthy.model, plain), (body.model, stiff)):
        data.qpos[joint.qposadr], data.qfrc_applied[joint.dofadr] = 0.06, 60.0
        mujoco.mj_forward(model, data)
    assert plain.qfrc_constraint[joint.dofadr[0]] == 0.0 and stiff.qfrc_constraint[joint.dofadr[0]] < -10.0


def test_slow_activation_stretches_the_time_of_its_muscles_alone(healthy):
    body = impaired(healthy, ONE_OF_EACH["activation_slowdown"])
    slow = indices(body, ["knee_extensors_r"])
    assert changed_rows(healthy.model, body.model) == {"actuator_dynprm": slow}
    rates = []
    for model in (healthy.model, body.model):
        data = mujoco.MjData(model)
        data.ctrl[:80], data.act[:80] = 1.0, 0.3
        mujoco.mj_forward(model, data)
        rising = data.act_dot[:80].copy()
        data.ctrl[:80] = 0.0
        mujoco.mj_forward(model, data)
        rates.append((rising, data.act_dot[:80].copy()))
    for quick, slowed in zip(*rates, strict=True):
        for m in range(80):
            assert slowed[m] == pytest.approx(quick[m] / (3.0 if m in slow else 1.0)), healthy.muscles[m]


def test_slow_deactivation_leaves_the_rise_as_it_is(healthy):
    body = impaired(healthy, ONE_OF_EACH["deactivation_slowdown"])
    (slow,) = changed_rows(healthy.model, body.model).values()
    assert slow == indices(body, ["knee_extensors_r"])
    time_constants = body.model.actuator_dynprm[sorted(slow), :2] / healthy.model.actuator_dynprm[sorted(slow), :2]
    assert time_constants == pytest.approx(np.tile([1.0, 2.0], (len(slow), 1)))


def test_old_age_costs_three_times_more_force_than_mass():
    body = build_body(load_subject("preset:age_related_weakness"), None, 300.0, accelerometer=False)
    healthy = build_body(Subject(), None, 300.0, accelerometer=False)
    force = body.model.actuator_gainprm[:80, 2] / healthy.model.actuator_gainprm[:80, 2]
    weak = force < 1.0
    assert force[weak] == pytest.approx(0.7) and weak.sum() > 60
    assert body.condition.muscle_mass[weak] == pytest.approx(0.9, abs=0.001)
    slower = body.model.actuator_dynprm[:80, :2] / healthy.model.actuator_dynprm[:80, :2]
    assert slower[weak] == pytest.approx(np.tile([1.0, 1.2], (weak.sum(), 1)))  # 60 ms in place of 50


def test_hemiparesis_weakens_both_directions_of_a_joint_alike_and_the_other_side_a_little():
    for name in ("hemiparesis_mild", "hemiparesis_severe"):
        right, left = (presets()[f"{name}_{side}"].fields for side in ("right", "left"))
        strengths = right["strengths"]
        for one, other in (("plantarflexors", "dorsiflexors"), ("knee_extensors", "knee_flexors")):
            assert strengths[f"{one}_r"] == strengths[f"{other}_r"]
            assert strengths[f"{one}_r"] < strengths[f"{one}_l"] < 1.0
        assert {name[:-1] + {"r": "l", "l": "r"}[name[-1]]: s for name, s in strengths.items()} == left["strengths"]
        assert "co_contraction" not in right  # stiffness, not co-activation, keeps the paretic foot down
        assert right["contractures"]["ankle_angle_r"]["stiffness_nm_per_rad"] > 0.0


def test_nerves_of_the_named_muscles_alone_are_impaired(healthy):
    spastic = impaired(healthy, ONE_OF_EACH["spasticity"])
    assert not changed_rows(healthy.model, spastic.model)
    assert set(np.flatnonzero(nerves_of(spastic).reflex_gain)) == indices(spastic, ["hip_adductors_r"])
    assert set(np.flatnonzero(nerves_of(spastic).reflex_threshold)) == indices(spastic, ["hip_adductors_r"])
    assert not nerves_of(spastic).least.any()
    tense = impaired(healthy, ONE_OF_EACH["co_contraction"])
    assert not changed_rows(healthy.model, tense.model)
    assert set(np.flatnonzero(nerves_of(tense).least)) == indices(tense, ANTAGONISTS["knee_angle_r"])
    assert not nerves_of(tense).reflex_gain.any()


def excitations(body, rate, periods=1):
    """Excitations (80,) that a body gets whose right hip is abducted at this rate (rad/s), after so many periods."""
    data = mujoco.MjData(body.model)
    data.qpos[:] = body.standing_qpos
    data.act[:80] = 0.05
    data.qvel[body.joint_dof[JOINTS.index("hip_adduction_r")]] = -rate
    mujoco.mj_forward(body.model, data)
    coordinator, zero, goal = Coordinator(body), np.zeros(14), data.qpos[body.joint_qpos].copy()
    drives = []
    for _ in range(periods):
        coordinator.excite(data, goal, zero, zero, zero, np.zeros(14))
        drives.append(data.ctrl[:80].copy())
    return np.array(drives), data.actuator_velocity[:80] / coordinator.curves.optimal_length


def test_co_contraction_lifts_excitations_to_its_floor_and_no_further(healthy):
    (wanted,), _ = excitations(healthy, 0.0)
    tense = impaired(healthy, ONE_OF_EACH["co_contraction"])
    (drive,), _ = excitations(tense, 0.0)
    both = sorted(indices(tense, ANTAGONISTS["knee_angle_r"]))
    assert drive[both] == pytest.approx(np.maximum(wanted[both], 0.3)) and (wanted[both] < 0.3).any()
    others = np.setdiff1d(np.arange(80), both)
    assert (drive[others] == wanted[others]).all()


def test_a_stretch_reflex_answers_later_beyond_its_threshold_and_in_proportion(healthy):
    spastic = impaired(healthy, ONE_OF_EACH["spasticity"])
    group = sorted(indices(spastic, ["hip_adductors_r"]))
    wanted, stretch = excitations(healthy, 3.0, REFLEX_DELAY_PERIODS + 1)
    drive, _ = excitations(spastic, 3.0, REFLEX_DELAY_PERIODS + 1)
    assert (drive[:REFLEX_DELAY_PERIODS] == wanted[:REFLEX_DELAY_PERIODS]).all(), "not before its delay"
    answer = 0.5 * np.maximum(stretch[group] - 0.1, 0.0)
    assert (answer > 0.0).any()
    assert drive[-1, group] == pytest.approx(np.minimum(wanted[-1, group] + answer, 1.0))
    others = np.setdiff1d(np.arange(80), group)
    assert (drive[:, others] == wanted[:, others]).all()
    slow, stretch = excitations(spastic, 0.01, REFLEX_DELAY_PERIODS + 1)
    assert stretch[group].max() < 0.1
    assert (slow == excitations(healthy, 0.01, REFLEX_DELAY_PERIODS + 1)[0]).all(), "not below its threshold"
    short, stretch = excitations(spastic, -3.0, REFLEX_DELAY_PERIODS + 1)
    shortening = [m for m in group if stretch[m] < 0.0]
    plain = excitations(healthy, -3.0, REFLEX_DELAY_PERIODS + 1)[0]
    assert shortening and (short[:, shortening] == plain[:, shortening]).all(), "not when the muscle shortens"


def test_atrophy_takes_muscle_mass_away_and_neural_weakness_does_not(healthy):
    curves = Coordinator(healthy).curves
    masses = {}
    for cause in ("neural", "atrophy"):
        body = impaired(healthy, {"strengths": {"soleus_r": 0.4}, "weakness": {"soleus_r": cause}})
        assert body.model.actuator_gainprm[body.muscles.index("soleus_r"), 2] < healthy.default_force.max()
        masses[cause] = muscle_parameters(body, curves, 75.0).mass
    ratio = masses["atrophy"] / masses["neural"]
    soleus = healthy.muscles.index("soleus_r")
    assert ratio[soleus] == pytest.approx(0.4)
    assert (np.delete(ratio, soleus) == 1.0).all()
    assert masses["neural"] == pytest.approx(muscle_parameters(healthy, curves, 75.0).mass)


@pytest.mark.parametrize("name", [*ONE_OF_EACH, "preset:hemiparesis_severe_right", "preset:crouch"])
def test_the_batched_step_moves_the_impaired_as_mujocos_own_does(name):
    subject = load_subject(name) if name.startswith("preset:") else Subject(**ONE_OF_EACH[name])

    def crowd(compiled):
        bodies = [build_body(who, None, 300.0, accelerometer=False) for who in (Subject(), subject)]
        walkers = Walkers(bodies, compiled=compiled)
        for i in range(2):
            walkers.place(i, 0.55, 1.2)
        return walkers

    compiled, plain = crowd(True), crowd(False)
    assert compiled._batch is not None and plain._batch is None
    for _ in range(25):
        for walkers in (compiled, plain):
            walkers.coordinate_and_step()
    for a, b in zip(compiled.datas, plain.datas, strict=False):
        for field in ("qpos", "qvel", "act", "ctrl", "userdata", "actuator_force"):
            assert getattr(a, field) == pytest.approx(getattr(b, field), rel=1e-6, abs=1e-6), field
    if "atrophy" not in str(subject.weakness):
        well, unwell = compiled.datas
        assert np.abs(well.qpos - unwell.qpos).max() > 1e-6, "it does act"


def test_impairing_under_way_is_building_impaired_and_can_be_undone(healthy):
    body = healthy.own_copy()
    for name in presets():
        subject = load_subject(f"preset:{name}")
        body.impair(subject)
    built = build_body(subject, None, 300.0, accelerometer=False)
    assert not changed_rows(built.model, body.model).keys() - {"qpos_spring"}  # of springs that are no more
    assert (built.condition.nerves == body.condition.nerves).all()
    body.impair(Impairments())
    assert not changed_rows(healthy.model, body.model).keys() - {"qpos_spring"}
    assert not body.condition.nerves.any() and not body.deficit.any()


def test_who_has_no_strength_at_all_falls_and_no_number_breaks():
    strengthless = Subject(strengths=dict.fromkeys(GROUPS_BY_SIDE, 0.0))
    simulation = Simulation(strengthless, None, speed_mps=1.2, physics_rate_hz=300.0)
    for _ in range(250):
        sample = simulation.advance({})
        assert np.isfinite(sample.joint_angle).all() and np.isfinite(sample.metabolic_power)
        assert np.isfinite(sample.metabolic_power_umberger)
        assert (sample.muscle_force == 0.0).all()
    assert simulation.falls >= 1
    walkers = Walkers([build_body(strengthless, None, 300.0, accelerometer=False)])
    walkers.place(0, 0.0, 1.2)
    for _ in range(100):
        walkers.coordinate_and_step()
    assert np.isfinite(walkers.observe()).all() and walkers.state().height[0] < 0.7


def test_a_crowd_pays_for_wasted_muscles_as_each_of_them_alone():
    people = [Subject(), load_subject("preset:age_related_weakness"), load_subject("preset:crouch")]
    walkers = Walkers([build_body(who, None, 300.0, accelerometer=False) for who in people])
    for i in range(3):
        walkers.place(i, 0.3, 1.2)
    for _ in range(3):
        walkers.coordinate_and_step()
    mass = np.array([body.body_mass for body in walkers.bodies])
    crowd = CrowdEnergetics(walkers.body, walkers.coordinators[0])
    together = crowd.power_per_mass(walkers.datas, walkers.coordinators, mass)
    alone = [
        Energetics(body, coordinator).power(data)[0] / body.body_mass
        for body, coordinator, data in zip(walkers.bodies, walkers.coordinators, walkers.datas, strict=False)
    ]
    assert together == pytest.approx(alone, rel=1e-9)


def test_wasted_to_nothing_costs_nothing_and_breaks_nothing():
    wasted = Subject(strengths={"plantarflexors_r": 0.0}, weakness={"plantarflexors_r": "atrophy"})
    simulation = Simulation(wasted, None, speed_mps=1.2, physics_rate_hz=300.0)
    simulation.advance({})
    power = simulation.muscle_power()
    gone = sorted(indices(simulation.body, ["plantarflexors_r"]))
    assert np.isfinite(power).all() and np.abs(power[gone]).max() < 0.01 * power.max()


def test_a_stiff_joint_starts_within_its_range():
    subject = Subject(contractures={"knee_angle_r": Contracture(range_rad=(0.0, 0.3))})
    walkers = Walkers([build_body(subject, None, 300.0), build_body(Subject(), None, 300.0)])
    knee = JOINTS.index("knee_angle_r")
    for i in range(2):
        walkers.place(i, 0.72, 1.25)  # mid-swing
    angles = walkers.state().joint_angle
    assert angles[0, knee] == pytest.approx(0.3) and angles[1, knee] > 0.8
    assert np.delete(angles[0], knee) == pytest.approx(np.delete(angles[1], knee))


def test_the_policy_is_told_strengths_by_group_also_of_single_muscles():
    told = dict(zip(GROUPS_BY_SIDE, strength_by_group({"soleus_r": 0.2, "hip_flexors_l": 0.5}), strict=False))
    assert told["hip_flexors_l"] == 0.5 and told["plantarflexors_l"] == 1.0
    assert told["plantarflexors_r"] == pytest.approx(1.0 - 0.8 / 8)
    assert (
        dict(zip(GROUPS_BY_SIDE, strength_by_group({"plantarflexors_r": 1.2}), strict=False))["plantarflexors_r"] == 1.2
    )


@pytest.mark.parametrize(
    "fields, part",
    [
        ({"strengths": {"plantarflexors_r": 0.5, "soleus_r": 0.3}}, "soleus_r is 0.3 by its name, but 0.5"),
        ({"strengths": {"biceps_r": 0.5}}, "biceps_r.*allowed.*soleus_r"),
        ({"spasticity": {"plantarflexors_r": {"gain": 0.2}, "gasmed_r": {"gain": 0.1}}}, "gasmed_r"),
        ({"spasticity": {"soleus_r": {"gain": 0.2}}, "strengths": {"soleus_r": 0.0}}, "strength 0"),
        ({"spasticity": {"soleus_r": {"gain": -1.0}}}, r"spasticity\.soleus_r\.gain"),
        ({"spasticity": {"soleus_r": {"gain": 0.1, "delay": 3}}}, "delay.*allowed: gain, threshold"),
        ({"weakness": {"soleus_r": "neural"}}, "no entry in strengths"),
        ({"weakness": {"soleus_r": "lazy"}, "strengths": {"soleus_r": 0.5}}, "'neural' or 'atrophy'"),
        ({"contractures": {"knee_angle_r": {"range_rad": [0.3, 2.0]}}}, "must contain upright standing"),
        ({"contractures": {"ankle_angle_r": {"range_rad": [-0.5, -0.1]}}}, "must contain upright standing"),
        ({"contractures": {"knee_angle_r": {"range_rad": [-0.5, 2.0]}}}, "within the healthy range"),
        ({"contractures": {"knee_angle_r": {"range_rad": [1.0, 0.0]}}}, "lowest, highest"),
        ({"contractures": {"knee_angle_r": {"stiffness_nm_per_rad": 5.0, "rest_rad": -0.2}}}, "rest_rad must lie"),
        ({"contractures": {"knee_angle_r": {"rest_rad": 0.2, "range_rad": [0.0, 1.0]}}}, "of a spring"),
        ({"contractures": {"knee_angle_r": {}}}, "stiffness_nm_per_rad, range_rad or both"),
        ({"contractures": {"elbow_r": {"stiffness_nm_per_rad": 5.0}}}, "elbow_r.*allowed"),
        ({"co_contraction": {"mtp_angle_r": 0.1}}, "mtp_angle_r.*allowed"),
        ({"co_contraction": {"knee_angle_r": 0.9}}, r"co_contraction\.knee_angle_r"),
        ({"activation_slowdown": {"soleus_r": 0.5}}, r"activation_slowdown\.soleus_r"),
        ({"preset": "limp"}, "unknown preset 'limp'; allowed: drop_foot_right"),
        ({"preset": 3}, "name or a list"),
        ({"preset": "drop_foot_right", "strengths": {"dorsiflexors_r": 0.5}}, "dorsiflexors_r is 0.5 here, but 0.1"),
        ({"preset": ["crouch", "drop_foot_right"]}, "dorsiflexors_r"),
    ],
)
def test_wrong_and_contradictory_files_are_refused_with_the_reason(fields, part):
    with pytest.raises(SimError, match=part) as error:
        make_subject(fields, "person.yaml")
    assert "\n" not in str(error.value) and str(error.value).startswith("person.yaml: ")


def test_presets_add_to_each_other_and_to_a_file(tmp_path):
    file = tmp_path / "both.yaml"
    file.write_text(
        "{name: both, height_m: 1.8, preset: [drop_foot_right, hip_abductor_weakness_right],"
        " co_contraction: {knee_angle_r: 0.1}}"
    )
    both = load_subject(file)
    assert both.strengths == {"dorsiflexors_r": 0.1, "perlong_r": 0.3, "perbrev_r": 0.3, "hip_abductors_r": 0.4}
    assert both.name == "both" and both.height_m == 1.8 and both.co_contraction == {"knee_angle_r": 0.1}
    assert both.preferred_speed_mps == 1.1


def test_every_patient_has_a_source_and_a_mirror_image():
    for name, patient in presets().items():
        subject = load_subject(f"preset:{name}")
        assert subject.impaired and subject.name == name
        assert len(patient.source) > 20 and re.search(r"[A-Z][a-z]+ .*(19|20)\d\d", patient.source)
        if patient.side is None:
            continue
        mirrored = presets()[name.replace("right", "left") if patient.side == "r" else name.replace("left", "right")]
        for field in Impairments.model_fields:
            own, other = getattr(subject, field), getattr(load_subject(f"preset:{mirrored.name}"), field)
            assert {key[:-1] + {"r": "l", "l": "r"}[key[-1]]: value for key, value in own.items()} == other
            if field != "strengths":  # after a stroke the other side is a little weak, too
                assert all(key.endswith(f"_{patient.side}") for key in own)


def test_weakness_grows_by_name():
    left = [
        load_subject(f"preset:plantarflexor_weakness_{lost}_right").strengths["plantarflexors_r"]
        for lost in (25, 50, 75)
    ]
    assert left == [0.75, 0.5, 0.25]


@pytest.mark.parametrize(
    "text, part",
    [
        ("name: 2024-02-30\n", r":1: 2024-02-30 is a date and no text in YAML: write '2024-02-30', in quotes"),
        ("mass_kg: 70\nmass_kg: 60\n", r":2: the key 'mass_kg' stands twice, here and in line 1"),
        ("strengths: {soleus_r: 1.0,\n  soleus_r: 0.5}\n", r":2: the key 'soleus_r' stands twice"),
        ("- a\n", "expected fields such as height_m"),
    ],
)
def test_a_subject_file_with_a_slip_of_the_pen_is_one_line(tmp_path, text, part):
    file = tmp_path / "subject.yaml"
    file.write_text(text)
    with pytest.raises(SimError, match=part) as caught:
        load_subject(file)
    assert str(caught.value).startswith(str(file)) and "\n" not in str(caught.value)

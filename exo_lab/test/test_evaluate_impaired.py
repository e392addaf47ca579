# SPDX-License-Identifier: Apache-2.0
"""Figures of impaired gait: made-up patients with known signs, and one short walk of real ones."""

import importlib.util
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from exo_device.devices import find_device
from exo_lab.conditions import LEARNED, NO_DEVICE, PERSONALISED, PRACTISED, UNPOWERED, Policy
from exo_lab.evaluate import impaired
from exo_lab.evaluate.clinical import as_csv, as_markdown, clinical_figures, clinical_rows, monotony, verdict
from exo_lab.evaluate.cohort import cohort_figures, random_patient, read_cohort, severity, write_cohort
from exo_lab.evaluate.command import Size
from exo_lab.evaluate.deficits import Sign, load_deficits, sign_value
from exo_lab.evaluate.figures import by_name
from exo_lab.evaluate.impaired import assistance_table, clinical_tables, main, parser, patient_tasks
from exo_lab.evaluate.patient_measures import assistance_figures, called_for
from exo_lab.evaluate.patients import (
    HEALTHY,
    Patient,
    affected_side,
    deficit_of,
    healthy,
    named_patients,
    severity_series,
)
from exo_lab.evaluate.policies import WornPolicy
from exo_policy.controllers.learned import shipped_checkpoint
from exo_sim.body.subject import Subject, load_subject
from exo_sim.errors import SimError
from exo_sim.gait.reference import NormativeGait
from exo_sim.human.checkpoint import shipped_human
from exo_sim.subjects import presets
from exo_sim.world.meters import JointMeter

_SPEC = importlib.util.spec_from_file_location("made_up_patients", Path(__file__).with_name("made_up_patients.py"))
made_up = importlib.util.module_from_spec(_SPEC)
sys.modules["made_up_patients"] = made_up  # dataclasses look their module up
_SPEC.loader.exec_module(made_up)

DEFICITS = {deficit.name: deficit for deficit in load_deficits()}
SHIPPED = str(shipped_checkpoint(find_device("hip_ankle").joint_names))
GIVES = [("ankle_angle", -1.0), ("hip_flexion", -1.0), ("hip_flexion", 1.0)]


@pytest.fixture(scope="module")
def clinic():
    return by_name(clinical_figures(made_up.made_up_clinic(), load_deficits(), [], {}, 1.0, "r"))


# -- the data


def test_every_sign_is_of_a_variable_that_is_measured_and_every_patient_is_a_preset():
    assert len(DEFICITS) == 5
    for deficit in load_deficits():
        for name in deficit.patients:
            assert name in presets() or f"{name}_right" in presets(), name
        for finding in deficit.findings:
            assert any(character.isdigit() for character in finding.source)  # an author and a year
            for sign in finding.signs:
                assert not sign.curve or sign.curve in NormativeGait.variables(), sign.curve


@pytest.mark.parametrize(
    "fields",
    [{}, {"curve": "hip_flexion"}, {"curve": "hip_flexion", "window": (0, 10), "take": "max", "stride": "speed"}],
)
def test_a_sign_is_of_a_curve_or_of_a_stride_figure(fields):
    with pytest.raises(ValueError, match="give curve, window and take, or stride"):
        Sign(name="x", title="x", leg="affected", direction="up", least=1.0, unit="deg", **fields)


# -- measuring


def sign(**fields):
    return Sign(
        **{
            "name": "x",
            "title": "x",
            "leg": "affected",
            "direction": "up",
            "least": 1.0,
            "unit": "1",
            "curve": "hip_flexion",
            "window": (10.0, 20.0),
            "take": "max",
            **fields,
        }
    )


class Ramp:
    """A leg whose hip flexion is the percent of the stride, twice that on the left; strides last 2 s."""

    def curve(self, variable, side):
        return np.arange(101.0) * (2.0 if side == "l" else 1.0)

    def scalar(self, name, side=None):
        return {"stance_percent": 60.0, "duration": 2.0, "step_length": 0.6 if side == "r" else 0.4}.get(name, math.nan)


@pytest.mark.parametrize(
    "fields, value",
    [
        ({"take": "max"}, 20.0),
        ({"take": "mean"}, 15.0),
        ({"take": "negative_mean"}, -15.0),
        ({"take": "negative_min"}, -10.0),
        ({"take": "fastest_rise"}, 50.0),
        ({"take": "fastest_fall"}, -50.0),
        ({"take": "positive_work"}, 15.0 * 0.2),
        ({"window": ("toe_off", 100.0), "take": "negative_min"}, -60.0),
        ({"leg": "opposite", "take": "mean"}, 30.0),
        ({"leg": "both", "take": "mean"}, 22.5),
    ],
)
def test_what_is_taken_of_a_curve(fields, value):
    assert sign_value(Ramp(), sign(**fields), "r") == pytest.approx(value)


def test_asymmetry_of_a_stride_figure_has_a_sign():
    asymmetry = sign(curve="", window=None, take="", stride="step_length", leg="asymmetry")
    assert sign_value(Ramp(), asymmetry, "r") == pytest.approx(40.0)
    assert sign_value(Ramp(), asymmetry, "l") == pytest.approx(-40.0)
    assert math.isnan(sign_value(Ramp(), sign(stride="cadence", curve="", window=None, take=""), "r"))


def test_monotony():
    assert monotony([1.0, 2.0, 3.0, 4.0]) == 1.0 and monotony([4.0, 3.0, 2.0, 1.0]) == -1.0
    assert monotony([1.0, 3.0, 2.0, 4.0]) == pytest.approx(2.0 / 3.0) and math.isnan(monotony([1.0, math.nan]))


# -- the clinic


def test_signs_that_were_made_up_are_found_and_others_are_not(clinic):
    assert clinic["shown.dorsiflexor_weakness.1"].met and clinic["monotony.dorsiflexor_weakness.1"].value == 1.0
    assert [clinic[f"finding_{i}_shown.dorsiflexor_weakness.1"].value for i in (1, 2, 3, 4)] == [1.0, 1.0, 1.0, 1.0]
    drop = clinic["swing_dorsiflexion_change.dorsiflexor_weakness_at_50:no_device.1"]
    assert drop.value < -4.0 and drop.interval[1] < 0.0
    assert clinic["shown.plantarflexor_weakness.1"].met is True
    assert clinic["shown.hip_abductor_weakness.1"].met is False  # nothing was made up for it
    assert clinic["finding_1_shown.hip_abductor_weakness.1"].value == 0.0
    assert clinic["cost_of_transport_monotony.hip_abductor_weakness.1"].value == 1.0
    assert clinic["deficits_shown"].value == 3.0 and clinic["deficits_shown"].met is False  # hemiparesis has both


def test_what_may_be_chance_does_not_show():
    walks = made_up.made_up_clinic([DEFICITS["dorsiflexor_weakness"]])
    for walk in walks:
        if walk.task.person.endswith(("_50", "_25", "_10")):
            for curve in walk.curves:
                if curve.variable == "ankle_dorsiflexion":
                    curve.mean[75:98] += 40.0 * (walk.task.seed - 301)  # -40, 0 and 40 degrees
    figures = by_name(clinical_figures(walks, [DEFICITS["dorsiflexor_weakness"]], [], {}, 1.0, "r"))
    assert figures["finding_1_shown.dorsiflexor_weakness.1"].value == 0.0


def test_one_walk_alone_shows_nothing():
    deficit = DEFICITS["plantarflexor_weakness"]
    walks = made_up.made_up_clinic([deficit], seeds=(300,))
    figures = by_name(clinical_figures(walks, [deficit], [], {}, 1.0, "r"))
    assert figures["push_off_power_change.plantarflexor_weakness_at_25:no_device.1"].value < -0.5
    assert figures["shown.plantarflexor_weakness.1"].met is False


@pytest.mark.parametrize("seeds, words", [((300, 301), "2 walks are too few to tell"), ((300, 301, 302), "not as in")])
def test_what_does_not_show_in_two_walks_is_not_denied(seeds, words):
    deficit = DEFICITS["hip_abductor_weakness"]  # nothing is made up for it
    figures = by_name(clinical_figures(made_up.made_up_clinic([deficit], seeds=seeds), [deficit], [], {}, 1.0, "r"))
    assert verdict(figures, deficit, 1.0).startswith(words)
    (table,) = clinical_tables(clinical_rows(figures, [deficit], 1.0), figures, [deficit], 1.0)
    assert words in table.title


def test_somebody_who_never_walked_is_a_gap_and_no_success():
    deficit = DEFICITS["dorsiflexor_weakness"]
    walks = made_up.made_up_clinic([deficit])
    for walk in walks:
        if walk.task.person == "dorsiflexor_weakness_at_25":
            walk.curves, walk.scalars, walk.fell = type(walk.curves)(), {}, True
    figures = by_name(clinical_figures(walks, [deficit], [], {}, 1.0, "r"))
    assert figures["falls.dorsiflexor_weakness_at_25:no_device.1"].value == 3
    assert figures["shown.dorsiflexor_weakness.1"].met  # at 50 % it shows
    assert math.isnan(figures["monotony.dorsiflexor_weakness.1"].value)
    assert figures["monotony.dorsiflexor_weakness.1"].met is False
    table = as_markdown(clinical_rows(figures, [deficit], 1.0))
    assert "| - |" in table and "**" in table


def test_left_and_right_are_the_same_deficit():
    left = by_name(
        clinical_figures(
            made_up.made_up_clinic([DEFICITS["plantarflexor_weakness"]], side="l"),
            [DEFICITS["plantarflexor_weakness"]],
            [],
            {},
            1.0,
            "l",
        )
    )
    assert left["shown.plantarflexor_weakness.1"].met


def test_named_patients_stand_beside_their_healthy_self(clinic):
    patient = made_up.made_up_named()
    walks = made_up.made_up_clinic([]) + [made_up.made_up_patient(patient, seed=s) for s in (300, 301, 302)]
    figures = by_name(clinical_figures(walks, [], [patient], {patient.name: HEALTHY}, 1.0, "r"))
    assert "deficits_shown" not in figures
    figures = by_name(
        clinical_figures(
            walks + made_up.made_up_clinic(), load_deficits(), [patient], {patient.name: HEALTHY}, 1.0, "r"
        )
    )
    change = figures[f"push_off_power_change.{patient.name}:no_device.1"]
    series = figures["push_off_power_change.plantarflexor_weakness_at_50:no_device.1"]
    assert change.value == pytest.approx(series.value)


def test_tables_hold_every_sign(clinic):
    rows = clinical_rows(clinic, load_deficits(), 1.0)
    assert len(rows) == sum(len(d.signs) + 1 for d in load_deficits())
    lines = as_csv(rows).splitlines()
    assert len(lines) == len(rows) + 1 and lines[0].startswith("deficit,finding,sign,unit,expected,healthy")
    assert len(clinical_tables(rows, clinic, load_deficits(), 1.0)) == 5


# -- patients


def test_who_is_meant():
    find = lambda word: load_subject(f"preset:{word}" if word in presets() else word)  # noqa: E731
    one, other, weak = named_patients(["drop_foot_left", "crouch", "hip_flexors_l=0.5"], find)
    assert (one.side, one.deficit, other.side, other.deficit) == ("l", "dorsiflexor_weakness", "r", "")
    assert (weak.name, weak.side, weak.deficit) == ("hip_flexors_l_50", "l", "")
    assert deficit_of(Subject(strengths={"plantarflexors_l": 0.4})) == "plantarflexor_weakness"
    assert deficit_of(Subject(strengths={"plantarflexors_l": 0.4, "plantarflexors_r": 0.4})) == ""
    assert affected_side(Subject(strengths={"soleus_l": 0.4, "hip_flexors_r": 0.8})) == "l"
    for words, part in ((["nobody"], "nobody"), (["crouch", "crouch"], "twice"), (["toes_r=0.5"], "toes_r")):
        with pytest.raises(SimError, match=part):
            named_patients(words, find)


def test_the_healthy_self_keeps_the_body_and_nothing_else():
    subject = load_subject("preset:hemiparesis_severe_right").model_copy(update={"height_m": 1.6, "mass_kg": 55.0})
    well = healthy(subject).subject
    assert (well.height_m, well.mass_kg) == (1.6, 55.0) and not well.impaired
    series = severity_series(DEFICITS["hemiparesis"], subject, "l")
    assert [p.strength for p in series] == [0.75, 0.5, 0.25, 0.1]
    assert set(series[2].subject.strengths.values()) == {0.25} and len(series[2].subject.strengths) == 8


def test_patients_are_written_as_files_that_say_the_same(tmp_path):
    patients = impaired.chosen_patients(parser().parse_args([]))
    assert len(patients) == sum(one.side in ("r", None) for one in presets().values())
    impaired.write_patients(tmp_path, patients)
    for patient in patients:
        assert load_subject(tmp_path / f"{patient.name}.yaml") == patient.subject


# -- the device


def test_cost_symmetry_and_torque_before_and_after():
    patient, well = made_up.made_up_named(), healthy(Subject())
    figures = by_name(assistance_figures(made_up.made_up_assistance([well, patient]), [well, patient], GIVES, 1.0))
    key = f"{patient.name}:learned.1"
    change = figures[f"cost_of_transport_change.{key}"]
    assert change.met and change.value == pytest.approx(100.0 * (3.7 / 4.4 - 1.0), abs=0.5)
    for name in ("step_length", "stance_time", "ankle_range"):
        reduction = figures[f"asymmetry_{name}_reduction.{key}"]
        assert reduction.met and reduction.value == pytest.approx(40.0, abs=0.5)
        assert reduction.interval[0] <= reduction.value <= reduction.interval[1]
    assert figures[f"torque_difference_ankle_angle.{key}"].met
    assert figures[f"torque_difference_ankle_angle.{key}"].value == pytest.approx(40.0)
    assert figures[f"torque_difference_hip_flexion.{key}"].met is None  # not what the deficit calls for
    assert figures["torque_difference_ankle_angle.healthy:learned.1"].met
    assert figures["asymmetry_step_length_reduction.healthy:learned.1"].met is None  # there is none to reduce
    assert assistance_table(list(figures.values()), [well, patient], 1.0).row_count == 2


def test_a_policy_that_favours_the_wrong_leg_or_a_healthy_leg_misses():
    patient, well = made_up.made_up_named(), healthy(Subject())
    walks = made_up.made_up_assistance([well, patient], policies=("a",))
    for walk in walks:
        if walk.torque:
            favoured = "l" if walk.task.person == patient.name else "rl"[walk.task.seed % 2]
            walk.torque = {joint: 0.06 if joint.endswith(favoured) else 0.05 for joint in walk.torque}
    figures = by_name(assistance_figures(walks, [well, patient], GIVES, 1.0))
    assert figures[f"torque_difference_ankle_angle.{patient.name}:learned.1"].met is False
    # one walk favours the right leg and one the left: they must not cancel out
    assert figures["torque_difference_ankle_angle.healthy:learned.1"].value == pytest.approx(18.2, abs=0.1)


def test_torque_is_of_whole_strides():
    """Two legs that get the same, half a stride apart, watched for four and a half strides."""
    meter = JointMeter(("ankle_angle_r", "ankle_angle_l"), 50.0)
    assert meter.torque == {}
    for k in range(450):
        t = 0.01 * k
        phase = np.array([t, t + 0.5]) % 1.0
        # a heel strike at 0 s and 0.5 s: strides close at whole seconds, and half a second later
        closed = [
            SimpleNamespace(side=side, start=t - 1.0, end=t)
            for side, begin in (("r", 0.0), ("l", 0.5))
            if k and abs((t - begin) % 1.0) < 0.005
        ]
        meter.add(t, np.where(phase < 0.25, -20.0, 0.0), np.array([1.0, -1.0]), closed)
    assert meter.torque["ankle_angle_r"] == pytest.approx(0.1, rel=0.02)
    assert meter.torque["ankle_angle_l"] == pytest.approx(0.1, rel=0.02)
    assert meter.power["ankle_angle_r"] == 0.0 and meter.power["ankle_angle_l"] == pytest.approx(0.1, rel=0.02)


def test_where_a_deficit_calls_for_torque():
    drop = Patient("x", Subject(strengths={"dorsiflexors_r": 0.5}))
    assert called_for(drop, GIVES) == "hip_flexion"  # this policy cannot lift the foot
    assert called_for(drop, [*GIVES, ("ankle_angle", 1.0)]) == "ankle_angle"
    assert called_for(made_up.made_up_named(), GIVES) == "ankle_angle"
    both = Subject(strengths={"plantarflexors_r": 0.5, "plantarflexors_l": 0.5})
    assert called_for(Patient("x", both), GIVES) == ""


def walks_of(*arguments, policies=(), own=(), patients=(made_up.made_up_named(),), deficits=()):
    options = parser().parse_args(arguments)
    found = {}
    for task in patient_tasks(options, Size(2, 30.0), Subject(), patients, deficits, policies, own):
        found.setdefault((task.person, task.condition), []).append(task)
    return found


def test_every_walk_is_made_once_and_by_the_walker_that_is_used_to_it():
    name, human = made_up.made_up_named().name, str(shipped_human())
    policies = [
        WornPolicy(Policy(label, SHIPPED, "hip_ankle", (("learned", human), ("unpowered", human)))) for label in "ab"
    ]
    fitted = WornPolicy(Policy("fitted", SHIPPED, "hip_ankle"), made_up.made_up_named().subject)
    walks = walks_of(policies=policies, own=[fitted], deficits=[DEFICITS["plantarflexor_weakness"]])
    count = {who: len(tasks) for who, tasks in walks.items()}
    for who in (HEALTHY, name):
        # without a device once; unpowered by the walker of each policy, and by the one who is used to none
        assert count[who, NO_DEVICE] == 2 and count[who, UNPOWERED] == 6
        assert count[who, LEARNED] == 4 and count[who, PERSONALISED] == 2
    assert count["plantarflexor_weakness_at_25", NO_DEVICE] == 2 and len(count) == 8 + 4
    assert {task.policy for task in walks[name, UNPOWERED]} == {"a", "b", ""}
    assert {task.human for task in walks[name, LEARNED]} == {human}
    assert {task.human for task in walks[name, PERSONALISED]} == {None}
    used = WornPolicy(Policy("used", SHIPPED, "hip_ankle", (("practised", human),)), made_up.made_up_named().subject)
    walks = walks_of(own=[used])
    assert {task.human for task in walks[name, PRACTISED]} == {human} and (HEALTHY, PRACTISED) not in walks
    assert {task.checkpoint for task in walks[name, PRACTISED]} == {""}
    assert (name, PRACTISED) not in walks_of("--same-human", own=[used])
    shared = walks_of("--same-human", policies=policies)
    assert len(shared[name, UNPOWERED]) == 2 and {task.policy for task in shared[name, UNPOWERED]} == {""}


def test_what_practice_alone_does_is_told_and_not_judged():
    weak = made_up.made_up_named()
    walks = made_up.made_up_assistance([weak], policies=("a",), kinds=(PRACTISED, PERSONALISED))
    figures = by_name(assistance_figures(walks, [weak], [("ankle_angle", -1.0)], 1.0))
    alone, fitted = (f"{weak.name}:{worn}.1" for worn in (PRACTISED, PERSONALISED))
    assert figures[f"cost_of_transport_change.{alone}"].value == pytest.approx(100.0 * (4.3 / 4.4 - 1.0), abs=0.1)
    assert figures[f"asymmetry_ankle_range_reduction.{alone}"].value == pytest.approx(10.0, abs=0.1)
    assert all(figure.met is None for name, figure in figures.items() if alone in name and "device_faults" not in name)
    assert figures[f"cost_of_transport_change_from_practised.{fitted}"].value < 0.0
    assert figures[f"cost_of_transport_change_from_practised.{fitted}"].met
    assert not any("torque" in name for name in figures if alone in name)


def test_a_personalised_policy_needs_its_wearer():
    other = WornPolicy(Policy("fitted", SHIPPED, "hip_ankle"), load_subject("preset:drop_foot_left"))
    with pytest.raises(SimError, match="fitted: personalised to somebody who is not among"):
        walks_of(own=[other])
    twice = replace(other, wearer=made_up.made_up_named().subject.model_copy(update={"name": "me"}))
    assert len(walks_of(own=[twice])[made_up.made_up_named().name, PERSONALISED]) == 2


def test_policies_for_different_devices_are_measured_apart(tmp_path, capsys, monkeypatch):
    found = [Policy(device, SHIPPED, device) for device in ("hip_ankle", "hip")]
    monkeypatch.setattr(impaired, "find_policies", lambda paths, device: found)
    assert main(["--exo", "a", "b", "--patients", "crouch", "--output", str(tmp_path)]) == 2
    assert "different devices (hip, hip_ankle)" in capsys.readouterr().err


# -- cohort


def row(number, lost, saving, fell=False, device="hip_ankle"):
    fields = {
        "number": number,
        "device": device,
        "severity": lost,
        "saving_percent": saving,
        "fell_learned": False,
        "fell_unpowered": fell,
    }
    return fields | {
        f"asymmetry_{name}_percent_{worn}": 10.0 - 4.0 * (worn == LEARNED)
        for name in ("step_length", "stance_time", "ankle_range")
        for worn in (UNPOWERED, LEARNED)
    }


def test_saving_against_severity_leaves_out_who_fell():
    rows = [row(i, 0.05 * i, 10.0 + 2.0 * i + 0.1 * (-1) ** i) for i in range(8)] + [row(9, 0.5, -90.0, fell=True)]
    figures = by_name(cohort_figures(rows))
    assert figures["cohort_patients.hip_ankle"].value == 9 and figures["cohort_walked_to_the_end.hip_ankle"].value == 8
    trend = figures["cohort_saving_per_10_percent_severity.hip_ankle"]
    assert trend.value == pytest.approx(4.0, abs=0.1) and trend.interval[0] < 4.0 < trend.interval[1]
    assert figures["cohort_saving_severity_rank_correlation.hip_ankle"].value == pytest.approx(1.0)
    assert figures["cohort_asymmetry_ankle_range_change.hip_ankle"].value == pytest.approx(-4.0)
    assert figures["cohort_falls_unpowered.hip_ankle"].value == 1


def test_parquet_keeps_rows_of_different_devices(tmp_path):
    rows = [
        {"patient": "a", "saving_percent": math.nan, "torque_hip_flexion_r_nm_kg": 0.1, "fell_learned": True},
        {"patient": "b", "saving_percent": 3.5, "torque_ankle_angle_r_nm_kg": 0.2, "fell_learned": False},
    ]
    write_cohort(tmp_path / "x" / "cohort.parquet", rows, {"seed": 3})
    back = read_cohort(tmp_path / "x" / "cohort.parquet")
    assert back[1]["saving_percent"] == 3.5 and math.isnan(back[0]["saving_percent"])
    assert back[0]["torque_ankle_angle_r_nm_kg"] is None and back[0]["fell_learned"] is True


def test_random_patients_are_many_and_the_same_again():
    people = [random_patient(i, 7) for i in range(40)]
    assert people[3] == random_patient(3, 7) != random_patient(3, 8)
    lost = [severity(person) for person in people[:12]]
    assert len({round(x, 3) for x in lost}) > 8 and all(0.0 <= x < 0.8 for x in lost)
    sides = [{name[-1] for name in person.strengths} for person in people]
    assert {"r"} in sides and {"l"} in sides and {"r", "l"} in sides


# -- the command


def test_a_patient_walks_for_real_beside_the_healthy_self_and_in_a_device(tmp_path):
    words = [
        "--patients",
        "plantarflexors_r=0.7",
        "--exo",
        SHIPPED,
        "--device",
        "hip_ankle",
        "--seeds",
        "1",
        "--duration",
        "14.2",
        "--physics-rate",
        "300",
        "--output",
        str(tmp_path),
    ]
    assert main(words) == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    figures = {figure["name"]: figure["value"] for figure in summary["figures"]}
    for name in (HEALTHY, "plantarflexors_r_70"):
        for worn in (NO_DEVICE, UNPOWERED, LEARNED):
            assert 2.0 < figures[f"cost_of_transport.{name}:{worn}.1"] < 12.0
        assert figures[f"torque_ankle_angle_r.{name}:learned.1"] > 0.01
    assert summary["configuration"]["patients"]["plantarflexors_r_70"]["deficit"] == "plantarflexor_weakness"
    assert load_subject(tmp_path / "patients" / "plantarflexors_r_70.yaml").strengths == {"plantarflexors_r": 0.7}
    finished = sorted((tmp_path / "finished").iterdir())
    assert len(finished) == 6
    before = (tmp_path / "summary.json").read_bytes()
    assert main(words) == 0  # goes on: everything is there
    assert (tmp_path / "summary.json").read_bytes() == before
    assert sorted((tmp_path / "finished").iterdir()) == finished


@pytest.mark.parametrize(
    "arguments, part",
    [
        (["--speed", "9"], "--speed"),
        (["--duration", "1"], "--duration"),
        (["--patients", "nobody"], "nobody"),
        (["--deficits", "gout"], "gout"),
        (["--cohort", "3"], "--exo"),
        (["--exo", "/nowhere/x"], "/nowhere/x"),
        (["--patients", "none", "--deficits", "none"], "nobody is to walk"),
        (["--human", "/nowhere/h"], "/nowhere/h"),
        (["--personalised", "/nowhere"], "personalise"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments, part, capsys, tmp_path):
    assert main([*arguments, "--output", str(tmp_path)]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and "\n" not in error

# SPDX-License-Identifier: Apache-2.0
"""Strides of a synthetic walker whose every figure is known; running statistics and symmetry."""

import math

import numpy as np
import pytest

from exo_sim.errors import GaitError
from exo_sim.gait.reference import GRAVITY_M_S2
from exo_sim.gait.sample import GaitSample
from exo_sim.gait.stride_metrics import symmetry_index
from exo_sim.gait.strides import RunningStatistics, StrideRecorder, coverage_warnings

MASS, STRIDE, SPEED, WIDTH = 70.0, 1.1, 1.25, 0.16
WEIGHT = MASS * GRAVITY_M_S2
AHEAD = 0.3  # a foot lands this far ahead of the pelvis, m


class Walker:
    """Two feet on a line; phase 0 is right heel strike. The left foot may land early and stand shorter."""

    def __init__(self, left_phase=0.5, right_stance=0.6, left_stance=0.6, start=0.0):
        self.shift = {"r": 0.0, "l": left_phase}
        self.stance = {"r": right_stance, "l": left_stance}
        self.start = start

    def phase(self, side, t):
        return (t - self.start) / STRIDE - self.shift[side]

    def sample(self, t, **changes):
        force, foot, angle, rate, exo, moment, active = {}, {}, {}, {}, {}, {}, {}
        for side in "rl":
            stride = math.floor(self.phase(side, t))
            phase = self.phase(side, t) - stride
            stance = self.stance[side]
            load = min(phase, stance - phase) / 0.02
            force[side] = (0.1 * WEIGHT * math.sin(2 * math.pi * phase), 0.0, WEIGHT * min(max(load, 0.0), 1.0))
            landed = (stride + self.shift[side]) * SPEED * STRIDE + AHEAD
            swing = max(phase - stance, 0.0) / (1.0 - stance)
            foot[side] = (landed + swing * SPEED * STRIDE, (0.5 if side == "l" else -0.5) * WIDTH, 0.0)
            omega = 2.0 * math.pi / STRIDE
            angle[f"hip_flexion_{side}"] = 0.4 * math.cos(2 * math.pi * phase)
            rate[f"hip_flexion_{side}"] = -0.4 * omega * math.sin(2 * math.pi * phase)
            angle[f"ankle_angle_{side}"] = 0.1
            rate[f"ankle_angle_{side}"] = 0.5
            exo[f"hip_flexion_{side}"] = 14.0 * math.sin(2 * math.pi * phase)
            moment[f"hip_flexion_{side}"], moment[f"ankle_angle_{side}"] = 35.0, -70.0
            active[f"soleus_{side}"] = phase
        values = {
            "t": t,
            "grf": force,
            "foot_position": foot,
            "pelvis_orientation": (0.0, 0.0, 0.0, 1.0),
            "joint_angle": angle,
            "joint_velocity": rate,
            "joint_moment": moment,
            "exo_torque": exo,
            "activation": active,
            "metabolic_power": 4.0 * MASS,
        }
        return GaitSample(**(values | changes))


def _walk(recorder, walker, begin, end, step=0.01):
    return [stride for t in np.arange(begin, end, step) for stride in recorder.feed(walker.sample(t))]


def test_every_figure_of_a_symmetric_walk():
    strides = _walk(StrideRecorder(MASS), Walker(), 0.4, 6.0)
    assert [stride.side for stride in strides[:4]] == ["l", "r", "l", "r"]
    assert [stride.index for stride in strides if stride.side == "l"] == list(range((len(strides) + 1) // 2))
    stride = strides[2]
    assert stride.duration == pytest.approx(STRIDE, abs=0.01)
    assert stride.end - stride.start == pytest.approx(stride.duration)
    assert stride.stance_percent == pytest.approx(60.0, abs=1.0)
    assert stride.stance_time == pytest.approx(0.6 * STRIDE, abs=0.01)
    assert stride.stride_length == pytest.approx(SPEED * STRIDE, abs=0.02)
    assert stride.step_length == pytest.approx(0.5 * SPEED * STRIDE, abs=0.02)
    assert stride.step_width == pytest.approx(WIDTH)
    assert stride.speed == pytest.approx(SPEED, abs=0.02)
    assert stride.cadence == pytest.approx(120.0 / STRIDE, rel=0.01)
    assert stride.joint_names == ("hip_flexion_l", "ankle_angle_l")
    assert stride.angle_max == pytest.approx([0.4, 0.1], abs=0.002)
    assert stride.angle_min == pytest.approx([-0.4, 0.1], abs=0.002)
    assert stride.metabolic_power_per_mass == pytest.approx(4.0)
    assert math.isnan(stride.metabolic_power_umberger_per_mass)
    assert stride.metabolic_cost == pytest.approx(4.0 / SPEED, rel=0.02)
    assert stride.exo_joint_names == ("hip_flexion_l",)
    assert stride.exo_torque_peak == pytest.approx([14.0 / MASS], rel=0.01)
    # torque 14 sin times rate -0.4 w sin: all of it negative, mean 1/2, over one stride 14 * 0.4 * pi
    assert stride.exo_negative_work == pytest.approx(-14.0 * 0.4 * math.pi / MASS, rel=0.02)
    assert stride.exo_positive_work == pytest.approx(0.0, abs=1e-4)
    assert stride.symmetry_step_length == pytest.approx(0.0, abs=1.5)
    assert math.isnan(strides[0].symmetry_step_length)  # the other side had no stride yet


def test_a_filters_tail_is_no_torque():
    tail = dict.fromkeys(("hip_flexion_r", "hip_flexion_l"), 2.7e-296)
    recorder, walker = StrideRecorder(MASS), Walker()
    strides = [stride for t in np.arange(0.4, 6.0, 0.01) for stride in recorder.feed(walker.sample(t, exo_torque=tail))]
    assert strides[2].exo_torque_peak.tolist() == [0.0]
    assert (strides[2].exo_positive_work, strides[2].exo_negative_work) == (0.0, 0.0)


def test_an_asymmetric_walk_is_measured_as_such():
    walker = Walker(left_phase=0.45, right_stance=0.66, left_stance=0.56)
    strides = _walk(StrideRecorder(MASS), walker, 0.4, 8.0)
    right, left = strides[-2:] if strides[-1].side == "l" else strides[:-3:-1]
    assert (right.side, left.side) == ("r", "l")
    assert left.step_length == pytest.approx(0.45 * SPEED * STRIDE, abs=0.02)
    assert right.step_length == pytest.approx(0.55 * SPEED * STRIDE, abs=0.02)
    assert left.symmetry_step_length == pytest.approx(20.0, abs=2.5)  # 200 * 0.10 / 1.00
    assert left.symmetry_stance_time == pytest.approx(200 * 0.1 / 1.22, abs=2.5)


def test_curves_and_statistics():
    recorder = StrideRecorder(MASS)
    recorder.begin("unassisted", SPEED, skip=1)
    _walk(recorder, Walker(), 0.4, 9.0)
    table = recorder.curve_table()
    phase = np.linspace(0, 2 * np.pi, 101)
    for side in "rl":
        assert recorder.stride_count("unassisted", SPEED, side) >= 4
        # samples 10 ms apart, linear between: about 0.5 % of the amplitude
        expected = {
            "hip_flexion": np.rad2deg(0.4) * np.cos(phase) + 5.87,
            "ankle_dorsiflexion": np.full(101, np.rad2deg(0.1)),
            "grf_fore_aft_BW": 0.1 * np.sin(phase),
            "hip_moment_Nm_kg": np.full(101, -0.5),  # internal extension is positive
            "ankle_moment_Nm_kg": np.full(101, 1.0),  # plantarflexion is positive
            "hip_power_W_kg": 0.5 * -0.4 * 2 * np.pi / STRIDE * np.sin(phase),
            "ankle_power_W_kg": np.full(101, -0.5),
            "exo_torque_hip_Nm_kg": 0.2 * np.sin(phase),
            "exo_power_hip_W_kg": -0.2 * 0.4 * 2 * np.pi / STRIDE * np.sin(phase) ** 2,
            "metabolic_power_W_kg": np.full(101, 4.0),
            "pelvis_tilt": np.full(101, 5.87),
        }
        for variable, curve in expected.items():
            measured = table.get("unassisted", variable, side)
            assert measured.speed_mps == SPEED
            np.testing.assert_allclose(measured.mean, curve, atol=0.02 * max(1.0, np.ptp(curve)))
            assert measured.sd.max() < 0.5
        vertical = table.get("unassisted", "grf_vertical_BW", side).mean
        assert vertical[30] == pytest.approx(1.0) and vertical[80] == pytest.approx(0.0)
        activation = table.get("unassisted", "activation_soleus", side).mean
        np.testing.assert_allclose(activation[5:95], np.arange(5, 95) / 100, atol=0.02)
    assert "metabolic_power_umberger_W_kg" not in table.variables  # never measured
    mean, sd = recorder.figures("unassisted", SPEED, "r")["stance_percent"]
    assert mean == pytest.approx(60.0, abs=1.0) and sd < 1.0
    assert recorder.figures("unassisted", SPEED, "l")["hip_flexion_range"][0] == pytest.approx(0.8, abs=0.004)


def test_conditions_are_kept_apart():
    recorder, walker = StrideRecorder(MASS), Walker()
    recorder.begin("a", SPEED)
    _walk(recorder, walker, 0.4, 4.0)
    recorder.begin("b", SPEED)
    _walk(recorder, walker, 4.0, 8.0)
    recorder.pause()
    strides = _walk(recorder, walker, 8.0, 10.0)
    assert strides  # measured, but in no condition
    # right heel strikes at 1.1, 2.2, ...: in a 1.1 to 3.3; 3.3 to 4.4 straddles; in b 4.4 to 7.7
    assert recorder.stride_count("a", SPEED, "r") == 2
    assert recorder.stride_count("b", SPEED, "r") == 3
    assert recorder.stride_count("c", SPEED, "r") == 0
    assert recorder.curve_table().conditions == ["a", "b"]


def test_restart_after_a_fall_keeps_the_curves():
    recorder, walker = StrideRecorder(MASS), Walker()
    recorder.begin("a", SPEED)
    _walk(recorder, walker, 0.4, 4.0)
    before = recorder.stride_count("a", SPEED, "r")
    recorder.restart()
    strides = _walk(recorder, walker, 0.4, 4.0)  # time starts again
    assert strides[0].index == 0
    assert recorder.stride_count("a", SPEED, "r") == 2 * before


def test_a_stop_is_no_stride():
    recorder, walker = StrideRecorder(MASS), Walker()
    _walk(recorder, walker, 0.4, 4.0)
    later = Walker(start=6.0)
    standing = walker.sample(3.9).grf
    for t in np.arange(4.0, 9.0, 0.01):
        recorder.feed(walker.sample(t, grf=standing))
    strides = _walk(recorder, later, 9.0, 14.0)
    assert recorder.dropped >= 1
    assert all(stride.duration == pytest.approx(STRIDE, abs=0.02) for stride in strides)


def test_memory_is_bounded():
    recorder, walker = StrideRecorder(MASS), Walker()
    swing = walker.sample(0.0).grf | {"r": (0, 0, 0), "l": (0, 0, 0)}
    for t in np.arange(0.0, 10.0, 0.01):
        recorder.feed(walker.sample(t, grf=swing))
    assert all(len(leg.rows) <= 352 for leg in recorder._legs.values())
    _walk(recorder, Walker(start=10.0), 10.0, 14.0)
    assert all(len(leg.rows) < 250 for leg in recorder._legs.values())


def test_phase_and_contact_while_walking():
    recorder, walker = StrideRecorder(MASS), Walker()
    _walk(recorder, walker, 0.4, 4.0)
    assert recorder.phase("r") == pytest.approx((3.99 / STRIDE) % 1, abs=0.02)
    assert recorder.phase("l") == pytest.approx((3.99 / STRIDE + 0.5) % 1, abs=0.02)
    assert recorder.contact("l") and not recorder.contact("r")


def test_merging_recorders_equals_one_recorder():
    one, two, both = (StrideRecorder(MASS) for _ in range(3))
    for recorder, walkers in (
        (one, [Walker()]),
        (two, [Walker(left_stance=0.5)]),
        (both, [Walker(), Walker(left_stance=0.5)]),
    ):
        recorder.begin("a", SPEED)
        for walker in walkers:
            recorder.restart()
            _walk(recorder, walker, 0.4, 7.0)
    one.merge(two)
    for mine, expected in zip(one.curve_table(), both.curve_table(), strict=False):
        assert mine.key == expected.key
        np.testing.assert_allclose(mine.mean, expected.mean, atol=1e-9)
        np.testing.assert_allclose(mine.sd, expected.sd, atol=1e-9)
    for name, value in both.figures("a", SPEED, "l").items():
        assert one.figures("a", SPEED, "l")[name] == pytest.approx(value, nan_ok=True)


def test_forces_alone_are_enough():
    recorder, walker = StrideRecorder(MASS), Walker()
    recorder.begin("a", SPEED)
    strides = [
        stride for t in np.arange(0.4, 4.0, 0.01) for stride in recorder.feed(GaitSample(t, walker.sample(t).grf))
    ]
    assert strides[1].stance_percent == pytest.approx(60.0, abs=1.0)
    assert math.isnan(strides[1].step_length) and math.isnan(strides[1].metabolic_cost)
    assert recorder.curve_table().variables == ["grf_vertical_BW", "grf_fore_aft_BW"]


def test_pelvis_signs():
    half = math.radians(5.0)
    turned_left = (0.0, 0.0, math.sin(half), math.cos(half))  # 10 degrees about z
    nose_down = (0.0, math.sin(half), 0.0, math.cos(half))  # about y: anterior tilt
    left_up = (math.sin(half), 0.0, 0.0, math.cos(half))  # about x: the left side rises
    for orientation, variable, right, left in (
        (turned_left, "pelvis_rotation", 10, -10),
        (nose_down, "pelvis_tilt", 15.87, 15.87),
        (left_up, "pelvis_obliquity", -10, 10),
    ):
        recorder, walker = StrideRecorder(MASS), Walker()
        recorder.begin("a", SPEED)
        for t in np.arange(0.4, 4.0, 0.01):
            recorder.feed(walker.sample(t, pelvis_orientation=orientation))
        table = recorder.curve_table()
        assert table.get("a", variable, "r").mean == pytest.approx(np.full(101, right))
        assert table.get("a", variable, "l").mean == pytest.approx(np.full(101, left))


def test_ankle_assistance_is_plantarflexion_positive_in_curves():
    recorder, walker = StrideRecorder(MASS), Walker()
    recorder.begin("a", SPEED)
    torque = {"ankle_angle_r": -0.5 * MASS, "ankle_angle_l": -0.5 * MASS}
    for t in np.arange(0.4, 4.0, 0.01):
        recorder.feed(walker.sample(t, exo_torque=torque))
    curve = recorder.curve_table().get("a", "exo_torque_ankle_Nm_kg", "r")
    assert curve.mean == pytest.approx(np.full(101, 0.5))


def test_bad_input():
    walker = Walker()
    for mass in (0.0, -1.0, math.nan):
        with pytest.raises(GaitError, match="body mass"):
            StrideRecorder(mass)
    recorder = StrideRecorder(MASS)
    for arguments in (("", 1.0), ("a", math.nan), ("a", 1.0, -1)):
        with pytest.raises(GaitError):
            recorder.begin(*arguments)
    recorder.feed(walker.sample(0.0))
    with pytest.raises(GaitError, match="restart"):
        recorder.feed(walker.sample(0.0))
    with pytest.raises(GaitError, match="activation"):
        recorder.feed(walker.sample(0.1, activation={}))
    with pytest.raises(GaitError, match="soleus_l"):
        recorder.feed(walker.sample(0.1, activation={"soleus_r": 0.0, "tibant_r": 0.0}))
    with pytest.raises(GaitError, match='lacks side "l"'):
        recorder.feed(walker.sample(0.1, grf={"r": (0, 0, 0)}))
    with pytest.raises(GaitError, match="shape"):
        recorder.feed(walker.sample(0.1, grf={"r": (0, 0), "l": (0, 0, 0)}))
    with pytest.raises(GaitError, match="quaternion"):
        recorder.feed(walker.sample(0.1, pelvis_orientation=(0.0, 0.0, 0.0, 0.0)))
    with pytest.raises(GaitError, match="no strides"):
        recorder.figures("a", SPEED, "r")


def _toe_drags(every):
    """In one of so many swings 3 % of body weight stay on the right foot."""

    def force(walker, t, forces):
        number = math.floor(walker.phase("r", t))
        if number % every == 0 and walker.phase("r", t) - number > 0.6:
            forces["r"][2] = max(forces["r"][2], 0.03 * WEIGHT)

    return force


def _stubs(share, seconds, phase):
    """In one of ten swings the right foot touches the floor with a share of body weight, for so long."""

    def force(walker, t, forces):
        number = math.floor(walker.phase("r", t))
        if number % 10 == 5 and 0.0 <= walker.phase("r", t) - number - phase < seconds / STRIDE:
            forces["r"][2] = share * WEIGHT

    return force


def _on_the_other_belt(walker, t, forces):
    """One of ten right steps lands on the left belt, whose plate then feels both feet."""
    if math.floor(walker.phase("r", t)) % 10 == 5:
        forces["l"][2] += forces["r"][2]
        forces["r"][2] = 0.0


def _toe_drags_late(walker, t, forces):
    """In one of five swings the right foot slides with 8 % of body weight until it lands."""
    phase = walker.phase("r", t) - 0.02  # until the landing foot bears as much
    if math.floor(phase) % 5 == 0 and phase % 1.0 > 0.7:
        forces["r"][2] = max(forces["r"][2], 0.08 * WEIGHT)


def _toe_trails(walker, t, forces):
    """In one of five strides the right toe stays on the floor with 5 % for half of the swing."""
    number = math.floor(walker.phase("r", t))
    if number % 5 == 0 and 0.6 <= walker.phase("r", t) - number < 0.85:
        forces["r"][2] = max(forces["r"][2], 0.05 * WEIGHT)


def _disturbed(force, duration=60.0, walker=None):
    recorder, walker, strides = StrideRecorder(MASS), walker or Walker(), []
    recorder.begin("walk", SPEED)
    for t in np.arange(0.4, duration, 0.01):
        sample = walker.sample(t)
        forces = {side: list(value) for side, value in sample.grf.items()}
        force(walker, t, forces)
        strides += recorder.feed(walker.sample(t, grf={side: tuple(value) for side, value in forces.items()}))
    return recorder, strides


@pytest.mark.parametrize(
    "force, most_left_out",
    [
        (_toe_drags(5), {"r": 12, "l": 12}),
        (_toe_drags(3), {"r": 19, "l": 19}),
        (_stubs(0.35, 0.08, 0.75), {"r": 18, "l": 6}),
        (_stubs(0.30, 0.06, 0.68), {"r": 18, "l": 6}),
        (_stubs(0.60, 0.15, 0.80), {"r": 18, "l": 6}),
        (_on_the_other_belt, {"r": 10, "l": 10}),
        (_toe_drags_late, {"r": 22, "l": 0}),
        (_toe_trails, {"r": 12, "l": 0}),
    ],
)
def test_strides_that_miss_an_event_are_left_out_and_counted(force, most_left_out):
    recorder, strides = _disturbed(force)
    assert all(stride.duration == pytest.approx(STRIDE, abs=0.02) for stride in strides)
    assert all(stride.stance_percent == pytest.approx(60.0, abs=1.5) for stride in strides)
    for side in "rl":
        figures = recorder.figures("walk", SPEED, side)
        assert figures["symmetry_stance_time"][0] == pytest.approx(0.0, abs=2.0)
        # what is left out is what was disturbed, and little around it
        lost = recorder.left_out("walk", SPEED, side)
        assert lost <= most_left_out[side], (side, lost)
        assert recorder.stride_count("walk", SPEED, side) >= 52 - 2 * most_left_out[side]
    assert recorder.left_out("walk", SPEED, "r") >= 5
    assert recorder.dropped == sum(recorder.left_out("walk", SPEED, side) for side in "rl")


def test_a_foot_that_drags_in_every_swing_is_reported_not_measured():
    recorder, strides = _disturbed(_toe_drags(1), 20.0)
    assert not strides
    right, left = recorder.coverage()
    assert (right["strides"], left["strides"]) == (0, 0) and left["left_out"] >= 15
    missing, many = coverage_warnings(recorder.coverage())
    assert "right leg made no stride" in missing and "of the left leg are left out" in many


def _both_drag_every_second_swing(walker, t, forces):
    """Five percent stay on the foot, on each side in turn: two strides then look like one."""
    for side in "rl":
        number = math.floor(walker.phase(side, t))
        if number % 2 == 0 and walker.phase(side, t) - number > 0.6:
            forces[side][2] = max(forces[side][2], 0.05 * WEIGHT)


def test_two_strides_that_always_look_like_one_are_not_measured_as_one():
    recorder, strides = _disturbed(_both_drag_every_second_swing, 30.0)
    assert not strides and recorder.left_out("walk", SPEED, "r") >= 10
    assert len(coverage_warnings(recorder.coverage())) == 2


def test_a_condition_without_a_single_stride_is_told():
    """Both feet never leave the floor for the plates, as for one that is not zeroed."""

    def offset(walker, t, forces):
        for side in "rl":
            forces[side][2] += 0.04 * WEIGHT

    recorder, strides = _disturbed(offset, 10.0)
    assert not strides and recorder.dropped == 0
    right, left = coverage_warnings(recorder.coverage())
    assert "walk at 1.25 m/s: the right leg made no stride" in right and "left leg made no stride" in left
    whole = StrideRecorder.unpack(*recorder.pack())
    assert coverage_warnings(whole.coverage()) == [right, left]


def test_what_was_left_out_is_kept_by_condition_and_side_and_merged():
    sound, _ = _disturbed(lambda *_: None, 20.0)
    assert coverage_warnings(sound.coverage()) == []
    recorder, _ = _disturbed(_toe_drags(5), 20.0)
    lost = recorder.left_out("walk", SPEED, "r")
    assert lost >= 3 and recorder.left_out("other", SPEED, "r") == 0
    percent = recorder.coverage()[0]["left_out_percent"]
    assert percent == pytest.approx(100.0 * lost / (lost + recorder.stride_count("walk", SPEED, "r")))
    assert f"walk at 1.25 m/s: {lost} of " in coverage_warnings(recorder.coverage())[0]
    recorder.merge(sound)
    assert recorder.left_out("walk", SPEED, "r") == lost


def test_a_limp_is_no_missed_event():
    """Steps of 35 and 65 % of the stride, and stances of 70 and 52 %, as in a marked hemiparesis."""
    recorder, _ = _disturbed(lambda *_: None, 40.0, Walker(left_phase=0.35, right_stance=0.52, left_stance=0.7))
    assert recorder.dropped == 0 and recorder.stride_count("walk", SPEED, "r") >= 33


def test_running_statistics_equal_numpy_and_skip_nan():
    data = np.random.default_rng(1).normal(1e3, 0.1, (20, 4))  # large mean: cancellation would show
    data[3, 2] = np.nan
    data[:, 3] = np.nan
    data[7, 3] = 5.0
    first, second = RunningStatistics((4,)), RunningStatistics((4,))
    for row in data[:12]:
        first.add(row)
    for row in data[12:]:
        second.add(row)
    first.merge(second)
    np.testing.assert_allclose(first.mean, np.nanmean(data, axis=0), rtol=1e-12)
    np.testing.assert_allclose(first.sd[:3], np.nanstd(data[:, :3], axis=0, ddof=1), rtol=1e-6)
    assert math.isnan(first.sd[3]) and list(first.count) == [20, 20, 19, 1]
    empty = RunningStatistics(())
    assert math.isnan(empty.mean) and math.isnan(empty.sd)
    empty.merge(RunningStatistics(()))
    assert math.isnan(empty.mean)


@pytest.mark.parametrize(
    "right, left, percent", [(1.0, 1.0, 0.0), (1.0, 0.5, 66.6667), (0.5, 1.0, 66.6667), (1.0, 0.0, 200.0)]
)
def test_symmetry_index(right, left, percent):
    assert symmetry_index(right, left) == pytest.approx(percent, abs=1e-3)


def test_symmetry_index_without_meaning():
    for right, left in ((0.0, 0.0), (-1.0, 0.5), (math.nan, 1.0)):
        assert math.isnan(symmetry_index(right, left))

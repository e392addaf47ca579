# SPDX-License-Identifier: Apache-2.0
"""What the viewer draws: meshes, tubes, arrows, curves and comparisons."""

import numpy as np
import pytest

from exo_bringup import look
from exo_bringup.viewer import stage
from exo_bringup.viewer.stage import instances
from exo_bringup.viewer.state import SETTLING_STRIDES, CostComparison, StrideCurve, TimeTrace


def rotated(quaternion, vector):
    w, xyz = quaternion[0], quaternion[1:]
    return vector + 2.0 * np.cross(xyz, np.cross(xyz, vector) + w * vector)


def volume(mesh):
    """Signed: positive when every face looks outwards."""
    vertices, faces = mesh
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0


def test_what_is_drawn_many_times_has_its_size_and_looks_outwards():
    assert volume(stage.unit_cylinder(64, caps=True)) == pytest.approx(np.pi, rel=0.01)
    assert volume(stage.unit_cone(64)) == pytest.approx(np.pi / 3.0, rel=0.01)
    for shape in (stage.unit_cylinder(6, caps=False), stage.unit_cone(6)):
        assert (shape[0][:, 2].min(), shape[0][:, 2].max()) == pytest.approx((0.0, 1.0))
    assert len(stage.unit_cylinder(6, caps=False)[1]) == 12


def test_the_floor_is_one_square_without_gaps():
    light, dark = (stage.chequer(4, 0.5, odd) for odd in (0, 1))
    for vertices, faces in (light, dark):
        a, b, c = (vertices[faces[:, i]] for i in range(3))
        normal = np.cross(b - a, c - a)
        assert np.all(normal[:, 2] > 0.0) and normal[:, 2].sum() / 2.0 == pytest.approx(2.0)
    both = np.vstack([light[0], dark[0]])
    assert both.min(axis=0) == pytest.approx([-1, -1, 0]) and both.max(axis=0) == pytest.approx([1, 1, 0])


def test_tubes_reach_from_start_to_end_whatever_the_direction():
    rng = np.random.default_rng(0)
    starts = np.vstack([rng.normal(size=(20, 3)), np.zeros((2, 3))])
    ends = np.vstack([rng.normal(size=(20, 3)), [[0, 0, -1.0]], [[0, 0, 2.0]]])
    positions, wxyzs, scales = instances(starts, ends, np.full(22, 0.01))
    for start, end, position, wxyz, scale in zip(starts, ends, positions, wxyzs, scales, strict=False):
        assert position == pytest.approx(start, abs=1e-6)
        assert position + rotated(wxyz, np.array([0.0, 0.0, scale[2]])) == pytest.approx(end, abs=1e-5)
        assert scale[:2] == pytest.approx(0.01)


def test_what_has_no_place_is_not_drawn():
    starts = np.array([[0.0, 0, 0], [np.nan, 0, 0], [1.0, 1, 1]])
    ends = np.array([[0.0, 0, 0], [1.0, 0, 0], [1.0, 1, np.inf]])
    for values in instances(starts, ends, np.full(3, 0.01)):
        assert np.isfinite(values).all()
    assert not instances(starts, ends, np.full(3, 0.01))[2].any()


def test_torque_arrows_turn_with_the_torque():
    centre, axis, first = np.zeros(3), np.array([0.0, 0, 1]), np.array([1.0, 0, 0])
    for share in (0.5, -0.5):
        arrow = look.torque_arrow(centre, axis, first, share, 1.0)
        turned = np.cross(arrow.starts, arrow.ends)[:, 2]
        assert np.all(np.sign(turned) == np.sign(share))
        assert arrow.starts[0] == pytest.approx([look.ARC_RADIUS_M, 0, 0])
    noise = look.torque_arrow(centre, axis, first, 0.01, 1.0)
    assert not noise.radii.any() and not noise.head_radii.any(), "noise is not drawn"
    longer = look.torque_arrow(centre, axis, first, 1.0, 1.0)
    assert len(longer.radii) == len(noise.radii), "as many pieces as without"


def test_force_arrows_have_their_length_and_small_ones_are_left_out():
    arrow = look.force_arrow(np.zeros(3), np.array([0.0, 0, 1.0]))
    assert arrow.tips[0] == pytest.approx([0, 0, look.FORCE_ARROW_M]) and arrow.ends[0] == pytest.approx(arrow.feet[0])
    assert not look.force_arrow(np.zeros(3), np.array([0.0, 0, 0.04])).head_radii.any()
    assert not look.force_arrow(np.full(3, np.nan), np.ones(3)).radii.any()


def test_muscles_grow_with_force_and_redden_with_activation():
    radii = stage.muscle_radii(np.array([0.0, 500.0, 2000.0, np.nan]))
    assert radii[0] < radii[1] < radii[2] and radii[3] == radii[0]
    colours = look.muscle_colours(np.array([0.0, 0.5, 1.0]))
    assert np.all(np.diff(colours[:, 0]) > 0) and np.all(np.diff(colours[:, 2]) < 0)


def test_a_curve_over_the_stride_is_what_was_swept():
    curve = StrideCurve()
    for phase in np.arange(0.0, 2.5, 0.03):
        curve.add(phase % 1.0, np.sin(2.0 * np.pi * phase))
    expected = np.sin(2.0 * np.pi * np.linspace(0.0, 1.0, 101))
    assert curve.values == pytest.approx(expected, abs=0.02)
    curve.clear()
    curve.add(0.1, 1.0)
    curve.add(0.6, 1.0)
    assert np.isnan(curve.values).all(), "half a stride is not made up"
    curve.add(np.nan, 1.0)
    curve.add(0.65, 1.0)
    assert np.isnan(curve.values).all()


def test_a_trace_forgets_what_is_old_and_begins_anew_when_time_goes_back():
    trace = TimeTrace(2, 1.0)
    assert np.isnan(trace.columns()[1]).all()
    for time in np.arange(0.0, 5.0, 0.1):
        trace.add(time, [time, -time])
        trace.add(time, [99.0, 99.0])
    times, values = trace.columns()
    assert times[-1] - times[0] == pytest.approx(1.0, abs=0.11) and values[:, 0] == pytest.approx(times)
    trace.add(0.5, [1.0, 1.0])
    trace.add(0.6, [1.0, 1.0])
    assert len(trace.columns()[0]) == 2


def test_strides_are_told_apart_by_their_torque_and_settle_first():
    cost = CostComparison()
    time = 0.0
    for power, torque in ((4.0, 0.0), (3.0, 0.3)):
        for _ in range(SETTLING_STRIDES + 10):
            time += 0.55
            cost.add(time, power, [torque, torque / 2.0])
        cost.add(time + 0.1, 99.0, [0.05])  # fading in: neither
    assert (cost.count(False), cost.count(True)) == (10, 10)
    assert cost.mean(False) == 4.0 and cost.mean(True) == 3.0
    assert cost.change_percent == pytest.approx(-25.0) and "-25.0 %" in cost.text()
    cost.add(0.5, 5.0, [])
    assert cost.count(False) == 0 and np.isnan(cost.change_percent), "the simulator began anew"
    assert "compare" in cost.text()

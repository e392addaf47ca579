# SPDX-License-Identifier: Apache-2.0
"""The figures of the HTML report: scales, paths, colour scales, muscle maps, cost by muscle."""

import math
import re

import numpy as np
import pytest

from exo_bringup.html_report import svg
from exo_bringup.html_report.axes import Axes, nice_ticks, padded, tick_text
from exo_bringup.html_report.catalogue import grouped_muscles
from exo_bringup.html_report.heat_map import COLUMNS, heat_map
from exo_bringup.html_report.muscle_cost import muscle_power
from exo_bringup.html_report.panels import Bar, bar_panel, dot_rows
from exo_bringup.html_report.style import DIVERGING, SEQUENTIAL, ramp
from exo_bringup.recorded_motion import RecordedMotion
from exo_sim.body.devices import find_device
from exo_sim.body.subject import Subject
from exo_sim.gait.reference import JOINTS
from exo_sim.metabolics.whole_body import whole_body_power
from exo_sim.plant.simulation import Simulation


@pytest.mark.parametrize("low, high", [(-23.0, 41.0), (0.0, 1.3), (-0.01, 0.002), (3.0, 2004.0)])
def test_ticks_are_round_inside_and_few(low, high):
    ticks = nice_ticks(low, high)
    assert 2 <= len(ticks) <= 8 and low <= ticks[0] and ticks[-1] <= high
    steps = np.diff(ticks)
    assert np.allclose(steps, steps[0])
    mantissa = steps[0] / 10.0 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert min(abs(mantissa - m) for m in (1.0, 2.0, 2.5, 5.0)) < 1e-6
    assert len({tick_text(tick, ticks) for tick in ticks}) == len(ticks)


def test_no_range_has_no_ticks():
    assert nice_ticks(1.0, 1.0) == [] and nice_ticks(0.0, math.nan) == []


def test_a_range_leaves_room_and_skips_what_is_not_known():
    low, high = padded([np.array([1.0, math.nan]), np.array([3.0])])
    assert low < 1.0 and high > 3.0
    assert padded([np.array([1.0, 3.0])], zero=True)[0] == 0.0
    assert padded([np.array([math.nan])]) is None and padded([]) is None
    low, high = padded([np.array([2.0])])
    assert low < 2.0 < high


def test_values_lie_where_the_axes_say():
    axes = Axes(300.0, 200.0, (0.0, 100.0), (-10.0, 10.0))
    assert axes.x(0.0) == axes.left and axes.x(100.0) < 300.0
    assert axes.y(10.0) == axes.top and axes.y(-10.0) == 200.0 - axes.bottom


def test_a_curve_breaks_where_it_is_not_known():
    path = svg.polyline(np.arange(5.0), np.array([1.0, 2.0, math.nan, 4.0, 5.0]), "#000")
    assert re.search(r'd="([^"]*)"', path)[1] == "M0 1L1 2M3 4L4 5"
    assert svg.polyline(np.arange(2.0), np.full(2, math.nan), "#000") == ""


def test_numbers_for_people():
    assert svg.shown(-1.234, 1) == "\N{MINUS SIGN}1.2" and svg.shown(0.5, 1, sign=True) == "+0.5"
    assert svg.shown(math.nan) == svg.shown(None) == "\N{EN DASH}"
    assert svg.number(-0.04) == "0" and svg.number(10.0) == "10"


@pytest.mark.parametrize("scale", [SEQUENTIAL, DIVERGING])
def test_a_colour_scale_goes_from_end_to_end(scale):
    assert (ramp(scale, 0.0), ramp(scale, 1.0), ramp(scale, 9.0)) == (scale[0], scale[-1], scale[-1])


def test_the_sequential_scale_darkens_so_that_grey_print_keeps_it():
    light = [
        sum(w * int(ramp(SEQUENTIAL, s)[i : i + 2], 16) for w, i in ((0.3, 1), (0.59, 3), (0.11, 5)))
        for s in np.linspace(0.0, 1.0, 9)
    ]
    assert all(a > b for a, b in zip(light, light[1:]))


def test_each_muscle_has_one_row():
    muscles = ["soleus", "recfem", "glmax1", "semiten", "tibant", "unheard_of", "tfl"]
    groups = grouped_muscles(muscles)
    assert sorted(m for members in groups.values() for m in members) == sorted(muscles)
    assert groups["others"] == ["unheard_of"] and list(groups)[0] == "hip extensors"


def test_the_map_is_dark_where_and_only_where_a_muscle_works():
    active = np.where(np.arange(101) < 50, 1.0, 0.0)
    content, height = heat_map("title", "subtitle", {"soleus": active})
    spans = {colour: path for path, colour in re.findall(r'<path d="(M[^"]*z)" fill="(#\w+)"', content)}
    dark, light = spans[SEQUENTIAL[-1]], spans[SEQUENTIAL[0]]
    width = {
        name: sum(float(w) for w in re.findall(r"h(\d[\d.]*)v", path))
        for name, path in (("dark", dark), ("light", light))
    }
    assert width["dark"] == pytest.approx(width["light"], rel=0.05)
    assert float(re.match(r"M([\d.]+)", dark)[1]) < float(re.match(r"M([\d.]+)", light)[1])
    assert height > 60 and COLUMNS == 50


def test_bars_stand_on_zero_and_are_as_high_as_their_value():
    content = bar_panel(
        "t",
        "u",
        [
            Bar("a", 2.0, math.nan, "#111111"),
            Bar("b", 4.0, 0.5, "#222222"),
            Bar("c", math.nan, math.nan, "#333333"),
        ],
    )
    heights = {colour: float(h) for h, colour in re.findall(r'height="([\d.]+)" fill="(#\d+)"', content)}
    assert heights["#222222"] == pytest.approx(2.0 * heights["#111111"], rel=0.01) and "#333333" not in heights
    assert "not measured" in bar_panel("t", "u", [])


def test_rows_say_where_one_side_is_missing():
    content, _ = dot_rows("t", "%", {"step": {"assisted": 3.0}, "stance": {"assisted": math.nan}}, 600.0)
    assert content.count("<circle") == 1 and "not measured on both sides" in content


def test_the_cost_of_muscles_adds_up_to_what_the_simulator_measured():
    simulation = Simulation(Subject(), find_device("hip_ankle"), seed=0)
    samples = [simulation.advance({}) for _ in range(60)][20:]

    def table(read):
        return np.array([read(sample) for sample in samples], dtype=float)

    nothing = np.zeros(len(samples))
    motion = RecordedMotion(
        time_s=table(lambda s: s.t),
        root_position=table(lambda s: s.root_position),
        root_orientation_xyzw=table(lambda s: s.root_orientation_xyzw),
        joint_names=tuple(JOINTS),
        joint_position=table(lambda s: s.joint_angle),
        joint_velocity=table(lambda s: s.joint_velocity),
        muscle_names=samples[0].muscles,
        excitation=table(lambda s: s.excitation),
        activation=table(lambda s: s.activation),
        metabolic_power_per_mass=nothing,
        contact=np.zeros((len(samples), 2)),
        force=np.zeros((len(samples), 2, 3)),
        pressure_centre=np.zeros((len(samples), 2, 3)),
        fallen=nothing.astype(bool),
        device_names=(),
        device_torque=np.empty((len(samples), 0)),
    )
    body = simulation.body
    power = whole_body_power(muscle_power(body, motion, np.arange(len(samples))), body.body_mass)
    # the model's knee follows its coupling softly, ours exactly: single instants differ, the mean hardly
    assert power.mean() == pytest.approx(np.mean([s.metabolic_power for s in samples]), rel=0.03)
    assert np.corrcoef(power, [s.metabolic_power for s in samples])[0, 1] > 0.95

# SPDX-License-Identifier: Apache-2.0
"""What reports are drawn of: scales, curves, bars, maps, elements for a page; cost by muscle."""

import math
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure as Drawing

from exo_device.devices import find_device
from exo_lab.recorded_motion import RecordedMotion
from exo_lab.report import figures as draw
from exo_lab.report.catalogue import grouped_muscles
from exo_lab.report.muscle_cost import muscle_power
from exo_lab.report.style import condition_colour, figure_style, shown
from exo_sim.body.subject import Subject
from exo_sim.gait.curves import Curve
from exo_sim.gait.reference import JOINTS
from exo_sim.metabolics.models import whole_body_power
from exo_sim.plant.simulation import Simulation


def test_a_range_leaves_room_and_skips_what_is_not_known():
    low, high = draw.padded([np.array([1.0, math.nan]), np.array([3.0])])
    assert low < 1.0 and high > 3.0
    assert draw.padded([np.array([1.0, 3.0])], zero=True)[0] == 0.0
    assert draw.padded([np.array([math.nan])]) is None and draw.padded([]) is None
    low, high = draw.padded([np.array([2.0])])
    assert low < 2.0 < high


def test_numbers_for_people():
    assert shown(-1.234, 1) == "\N{MINUS SIGN}1.2" and shown(0.5, 1, sign=True) == "+0.5"
    assert shown(math.nan) == shown(None) == "\N{EN DASH}"


def test_a_users_settings_do_not_reach_a_figure():
    def compose() -> Drawing:
        drawing, axes = draw.panel("title", "unit")
        axes.plot([0.0, 1.0], [0.0, 1.0])
        return drawing

    plain = draw.svg("t", compose)
    with matplotlib.rc_context({"text.usetex": True, "savefig.bbox": "tight", "figure.constrained_layout.use": True,
                                "lines.linewidth": 9.0, "svg.fonttype": "path"}):  # fmt: skip
        assert draw.svg("t", compose) == plain
        assert matplotlib.rcParams["text.usetex"]  # and theirs are as they were


def test_an_element_is_well_formed_has_a_title_and_no_identifier_that_nothing_uses():
    element = draw.svg("what <it> shows", lambda: draw.bar_panel("t", "u", [draw.Bar("a", 2.0, "#111111", 1.9, 2.1)]))
    root = ElementTree.fromstring(element)
    assert root.find("{http://www.w3.org/2000/svg}title").text == "what <it> shows"
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', element))
    assert set(re.findall(r'\sid="([^"]+)"', element)) == used
    assert draw.svg("a", lambda: Drawing()) == draw.svg("a", lambda: Drawing())  # the same figure is the same file


def test_a_curve_breaks_where_it_is_not_known():
    mean = np.array([1.0, 2.0, math.nan, 4.0, 5.0])
    drawing, axes = draw.panel("t", "u")
    curve = Curve("assisted", 1.0, "l", "x", np.arange(5.0), mean, np.zeros(5))
    draw.draw_stride(axes, [draw.Line.of(curve, "#123456")])
    line = axes.lines[0]
    assert np.isnan(line.get_ydata()[2]) and line.get_linestyle() == "--"
    element = draw.svg("t", lambda: drawing)
    assert "nan" not in element


def test_the_map_is_dark_where_and_only_where_a_muscle_works():
    active = np.where(np.arange(101) < 50, 1.0, 0.0)
    with figure_style():
        drawing = draw.stride_map("t", "u", {"plantarflexors": {"soleus": active}}, (0.0, 1.0), labels=100.0, row=9.0)
    image = drawing.axes[0].images[0]
    colours = image.cmap(image.norm(image.get_array()))
    luminance = colours[0, :, :3].sum(axis=1)
    assert (luminance[:50] < 1.0).all() and (luminance[50:] > 2.5).all()


def test_a_map_of_changes_has_its_middle_at_no_change():
    change = np.linspace(-0.5, 0.5, 101)
    drawing = draw.stride_map("t", "u", {"": {"soleus": change}}, (-0.5, 0.5), labels=100.0, row=9.0)
    image = drawing.axes[0].images[0]
    middle = image.cmap(image.norm(0.0))[:3]
    assert min(middle) > 0.9  # nearly white
    assert image.cmap(image.norm(-0.5))[2] > image.cmap(image.norm(-0.5))[1]  # purple: relieved


def test_muscles_of_no_group_come_last():
    groups = grouped_muscles(["soleus", "glmax1", "unheard_of"])
    assert groups["others"] == ["unheard_of"] and list(groups)[0] == "hip extensors"


def test_bars_stand_on_zero_and_are_as_high_as_their_value():
    bars = [
        draw.Bar("a", 2.0, "#111111"),
        draw.Bar("b", 4.0, "#222222", 3.5, 4.5, "4.0"),
        draw.Bar("c", math.nan, "#333333"),
    ]
    drawing = draw.bar_panel("t", "u", bars)
    assert [patch.get_height() for patch in drawing.axes[0].patches] == [2.0, 4.0]
    assert "not measured" in [text.get_text() for text in draw.bar_panel("t", "u", []).axes[0].texts]


def test_rows_say_where_one_side_is_missing():
    rows = {"step": {"assisted": 3.0}, "stance": {"assisted": math.nan}}
    axes = draw.dot_rows("t", "%", rows, condition_colour, 600.0).axes[0]
    assert sum(line.get_marker() == "o" for line in axes.lines) == 1
    assert "not measured on both sides" in [text.get_text() for text in axes.texts]


@pytest.mark.parametrize("interval", [(0.9, 1.3), (-50.0, 60.0)])
def test_a_wide_interval_of_few_walks_does_not_flatten_the_values(interval):
    points = [draw.Points(np.array([1.0, 1.5]), np.array([1.0, 2.0]), "#000000", np.array([interval, (1.9, 2.1)]))]
    low, high = draw.speed_panel("t", "u", points).axes[0].get_ylim()
    assert low < 1.0 < 2.0 < high and high - low < 3.5


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

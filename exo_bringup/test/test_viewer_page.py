# SPDX-License-Identifier: Apache-2.0
"""The page without a browser: what it sends for a walk, for a device alone, and what its memory holds."""

import math
import threading
import time

import numpy as np
import pytest

pytest.importorskip("viser", reason="needs viser")

from exo_bringup.viewer.access import make_access
from exo_bringup.viewer.figure import Figure
from exo_bringup.viewer.page import IMPAIRMENTS, Page, impairments, persons
from exo_bringup.viewer.state import Foot, Memory, Snapshot, status_text
from exo_device.devices import device_file
from exo_sim.body.subject import Subject, make_impairments

#: What a page has to load and to draw: software without a GPU manages this.
MOST_TRIANGLES, MOST_BYTES = 35_000, 1_000_000


@pytest.fixture(scope="module")
def figure():
    return Figure(Subject(), str(device_file("hip_ankle")))


@pytest.fixture
def page(figure):
    opened = Page(make_access("127.0.0.1", 0, {}), actions=None, persons=persons())
    opened.show(figure)
    yield opened
    opened.close()


def walking(figure, time_s=1.0):
    now = Snapshot(
        joints={"knee_angle_r": 0.5, "knee_angle_l": 0.4, "hip_flexion_l": 0.3},
        device_joints={"hip_flexion_r": 0.2},
        device_torque=dict.fromkeys(figure.body.exo_joints, 10.0),
        root_position=np.array([3.2, 0.1, 0.95]),
        root_xyzw=np.array([0.0, 0.0, 0.0, 1.0]),
        muscle_names=figure.muscles,
        activation=np.linspace(0.0, 1.0, len(figure.muscles)),
        muscle_force=np.linspace(0.0, 1000.0, len(figure.muscles)),
        time_s=time_s,
        commanded_speed_mps=1.25,
        phase={"r": time_s % 1.0, "l": (time_s + 0.5) % 1.0},
        mode=2,
        heard_simulator_s=time.monotonic(),
        heard_device_s=time.monotonic(),
    )
    now.feet["r"] = Foot(np.array([10.0, 0.0, 700.0]), np.array([3.2, -0.1, 0.0]))
    return now


def drawn(handle):
    return int((handle.batched_scales[:, 2] > 0.0).sum())


def test_the_figure_is_light_and_complete(figure):
    faces = [mesh[1] for part in figure.parts for mesh in part.meshes.values()]
    vertices = [mesh[0] for part in figure.parts for mesh in part.meshes.values()]
    assert 5_000 < sum(map(len, faces)) < MOST_TRIANGLES
    assert 4 * (sum(f.size for f in faces) + sum(v.size for v in vertices)) < MOST_BYTES
    assert {kind for part in figure.parts for kind in part.meshes} == {"bones", "frame", "cuffs", "motors"}
    starts, _, muscle = figure.muscle_segments()
    assert set(muscle) == set(range(80)) and len(starts) > 160


def test_parts_and_muscles_move_with_the_person(figure):
    def toes():
        index = [part.body for part in figure.parts].index("toes_r")
        return figure.part_places()[0][index].copy()

    upright = np.array([0.0, 0.0, 0.0, 1.0])
    figure.set_positions({"knee_angle_r": 0.0}, (np.zeros(3), upright))
    first, path = toes(), figure.muscle_segments()[0]
    figure.set_positions({"knee_angle_r": 0.0}, (np.array([1.0, 0.0, 0.0]), upright))
    # 1 m forward is the model's -y
    assert toes() - first == pytest.approx([0.0, -1.0, 0.0], abs=1e-9)
    moved = np.tile([0.0, -1.0, 0.0], (len(path), 1))
    assert figure.muscle_segments()[0] - path == pytest.approx(moved, abs=1e-9)
    figure.set_positions({"knee_angle_r": 1.0}, (np.array([1.0, 0.0, 0.0]), upright))
    assert np.linalg.norm(toes() - first) > 0.3


def test_a_walk_is_sent_as_a_few_arrays(page, figure):
    stage = page.stage
    stage.update(walking(figure), simulated=True)
    segments = len(figure.muscle_segments()[0])
    assert drawn(stage._muscles) == segments and stage._muscles.visible
    assert len(np.unique(stage._muscles.batched_colors, axis=0)) > 40, "coloured by activation"
    assert drawn(stage._heads) == 5, "four torques and the force on one foot"
    assert stage._body.position == pytest.approx([0.0, 0.0, 0.0]), "the person stays in the middle"
    assert stage._floor.position == pytest.approx([-0.2, -0.1, 0.0]), "and the floor moves, by whole patterns"
    stage.follow = False
    stage.update(walking(figure), simulated=True)
    assert stage._body.position == pytest.approx([3.2, 0.1, 0.0])
    starts = stage._muscles.batched_positions[:segments]
    assert np.abs(starts).max() < 1.5, "relative to the person, wherever it walks"


def test_a_device_alone_shows_what_there_is(page, figure):
    now = walking(figure)
    page.stage.update(now, simulated=True)
    now.heard_simulator_s, now.imu_xyzw = -math.inf, np.array([0.0, 0.0, 0.0, 1.0])
    page.stage.update(now, simulated=False)
    assert not page.stage._muscles.visible, "no muscles without a simulator"
    assert drawn(page.stage._heads) == 4, "torques, but no force on the floor"
    assert all(mesh.opacity < 0.5 for mesh in page.stage._meshes["bones"]), "nobody measured the bones"
    assert "drawn straight" in status_text(now, time.monotonic(), "")
    page.stage.update(walking(figure), simulated=True)
    assert page.stage._muscles.visible and page.stage._meshes["bones"][0].opacity is None


def test_another_body_takes_the_place_of_the_first(page, figure):
    page.stage.update(walking(figure), simulated=True)
    small = Figure(Subject(height_m=1.55, mass_kg=50.0), "")
    page.show(small)
    page.stage.update(walking(small), simulated=True)
    assert not page.stage._meshes["cuffs"] and drawn(page.stage._heads) == 1


def test_plots_hold_what_was_walked(page, figure):
    for time_s in np.arange(0.0, 2.4, 0.02):
        page.memory.add(walking(figure, time_s), time_s)
    page.plots.update(walking(figure, 2.4), page.memory)
    _, upper, lower, right, left = page.plots._angle.data
    assert np.all(upper > lower) and np.isfinite(right).all() and np.isfinite(left).all()
    assert right == pytest.approx(np.rad2deg(0.5), abs=0.1)
    assert len(page.plots._torque_plot.data) == 5
    assert len(page.plots._activation_plot.data) == 9, "eight plantarflexors"


def test_costs_are_compared_at_one_speed(figure):
    memory = Memory()
    now = walking(figure)
    memory.add(now, 1.0)
    for stride in range(12):
        memory.add_stride(0.5 * stride, 4.0, [0.0])
    memory.add(now, 1.0)
    assert memory.cost.count(False) > 0
    now.commanded_speed_mps = 1.0
    memory.add(now, 1.0)
    assert memory.cost.count(False) == 0


def test_everybody_can_have_every_impairment():
    people = persons()
    assert next(iter(people)).startswith("default")
    for subject in people.values():
        for choice in IMPAIRMENTS[1:]:
            assert make_impairments(impairments(subject, choice)).impaired, choice
    weak = next(subject for name, subject in people.items() if name.startswith("weak calf"))
    assert make_impairments(impairments(weak, IMPAIRMENTS[0])) == weak.only, "what the file says holds"
    healthy = next(iter(people.values()))
    assert not make_impairments(impairments(healthy, IMPAIRMENTS[0])).impaired


def test_the_status_says_what_is_the_matter():
    now = Snapshot()
    assert "waiting" in status_text(now, time.monotonic(), "")
    now.heard_device_s = now.heard_simulator_s = time.monotonic()
    now.mode, now.cause, now.falls = 4, "stopped by the user", 2
    text = status_text(now, time.monotonic(), "stop: done")
    assert "FAULT" in text and "stopped by the user" in text and "2 falls" in text and "stop: done" in text
    assert "waiting" in status_text(now, time.monotonic() + 60.0, "")


def test_a_strangers_mode_has_a_number_for_a_name():
    assert "mode 200" in status_text(Snapshot(heard_device_s=5.0, mode=200), 5.0, "")


def test_a_strangers_text_is_no_markup():
    now = Snapshot(heard_device_s=time.monotonic(), cause="joint '![x](http://x/p.png) <b>{1}\n# a'")
    text = status_text(now, time.monotonic(), "*bold*")
    assert r"\!\[x\]\(http://x/p.png\) \<b\>\{1\} \# a" in text and r"*\*bold\**" in text


def test_ports_that_are_taken_are_passed_over(page):
    taken = page.port
    second = Page(make_access("127.0.0.1", taken, {}), actions=None, persons=persons())
    try:
        assert taken < second.port < taken + 10
        assert second.address == f"http://localhost:{second.port}/"
    finally:
        second.close()


CAMERA = {
    "type": "ViewerCameraMessage",
    **{"wxyz": [1.0, 0.0, 0.0, 0.0], "position": [3.0, 0.0, 1.0], "look_at": [0.0, 0.0, 1.0]},
    **{"up_direction": [0.0, 0.0, 1.0], "fov": 1.0, "near": 0.1, "far": 10.0},
    **{"image_height": 100, "image_width": 100},
}


class Pressed:
    """Remembers what the page asked for, and in which thread."""

    def __init__(self):
        self.what, self.event = [], threading.Event()

    def __getattr__(self, name):
        def press(*arguments):
            self.what.append((name, arguments, threading.current_thread()))
            self.event.set()

        return press


def test_stop_gets_through_guard_and_page_while_the_scene_stands_still():
    import msgspec
    import viser
    from websockets.sync.client import connect

    pressed = Pressed()
    page = Page(make_access("127.0.0.1", 0, {}), actions=pressed, persons=persons())
    try:
        stop = next(
            handle
            for handle in page.server.gui._gui_input_handle_from_uuid.values()
            if getattr(handle, "label", "") == "STOP"
        )
        message = {"type": "GuiUpdateMessage", "uuid": stop._impl.uuid, "updates": {"value": True}}
        with connect(
            page.address.replace("http", "ws"),
            origin=page.address.rstrip("/"),
            additional_headers={"Cookie": f"exo_viewer_{page.port}={page.link.partition('token=')[2]}"},
            subprotocols=[f"viser-v{viser.__version__}"],
            compression=None,
        ) as browser:
            browser.send(msgspec.msgpack.encode(CAMERA))
            deadline = time.monotonic() + 30.0
            while not page.watched:  # viser counts a browser once it has said where its camera is
                assert time.monotonic() < deadline
                time.sleep(0.02)
            browser.send(msgspec.msgpack.encode(message))
            # nobody draws a frame meanwhile: this thread, which would, only waits
            assert pressed.event.wait(30.0)
        assert [name for name, _, _ in pressed.what] == ["stop"]
        assert pressed.what[0][2] is not threading.current_thread()
    finally:
        page.close()

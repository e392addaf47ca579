# SPDX-License-Identifier: Apache-2.0
"""The film: what is read and shown, where the camera is, what is written, and three frames rendered."""

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from exo_bringup import cli
from exo_bringup.film import encode, scene
from exo_bringup.film.make import (
    Clip,
    FilmOptions,
    camera_at,
    choose_clips,
    frame_times,
    heel_strikes,
    make_film,
    render_frames,
)
from exo_bringup.film.scene import pose_at
from exo_bringup.look import BACKGROUND
from exo_core.errors import UserError
from exo_device.devices import find_device
from exo_lab.recorded_motion import read_motion
from exo_lab.report.run_data import load_run
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject
from exo_sim.gait.reference import ReferenceGait

_SPEC = importlib.util.spec_from_file_location("made_up_walk", Path(__file__).with_name("made_up_walk.py"))
made_up = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(made_up)

MUSCLES = ("soleus_r", "soleus_l")
STRIDE_S = ReferenceGait(made_up.SPEED_MPS, 0.9).stride_time_s
PHASES = [
    {"name": "settling", "until_s": 1.0, "measured": False},
    {"name": "unassisted", "until_s": 6.0, "measured": True},
    {"name": "fading in", "until_s": 7.0, "measured": False},
    {"name": "assisted", "until_s": 12.0, "measured": True},
]


def test_clips_are_whole_strides_within_their_condition():
    walk = made_up.motion(12.0, MUSCLES)
    clips = choose_clips(walk, {"phases": PHASES}, 2.5)
    assert [clip.condition for clip in clips] == ["unassisted", "assisted"]
    for clip, (low, high) in zip(clips, ((1.0, 6.0), (7.0, 12.0)), strict=False):
        assert low <= clip.start_s < clip.end_s <= high
        assert clip.duration_s == pytest.approx(2 * STRIDE_S, abs=0.03)


def test_falls_and_the_stumble_before_them_are_not_shown():
    walk = made_up.motion(12.0, MUSCLES, fallen=[(3.6, 6.1), (7.0, 12.1)])
    clips = choose_clips(walk, {"phases": PHASES}, 5.0)
    assert [clip.condition for clip in clips] == ["unassisted"] and clips[0].end_s <= 3.6 - 1.0 + 0.02


def test_a_walk_shorter_than_a_stride_is_shown_as_it_is():
    clip = choose_clips(made_up.motion(0.5, MUSCLES), {}, 0.3)[0]
    assert clip.duration_s == pytest.approx(0.3)


def test_nothing_but_falls_is_one_clear_line():
    with pytest.raises(UserError, match="nothing to film"):
        choose_clips(made_up.motion(12.0, MUSCLES, fallen=[(0.0, 13.0)]), {"phases": PHASES}, 2.0)


def test_heel_strikes_are_a_stride_apart():
    walk = made_up.motion(5.0, MUSCLES)
    walk.contact[40, 0] = not walk.contact[40, 0]  # one flickering sample is no stride
    assert np.diff(heel_strikes(walk, 0.0, 5.0)) == pytest.approx(STRIDE_S, abs=0.03)


def test_every_condition_has_as_many_frames_and_time_goes_on_as_played():
    clips = [Clip("a", 1.0, 2.2), Clip("b", 5.0, 6.1)]
    first, second = frame_times(clips, 0.5)
    assert len(first) == len(second) == 40
    assert np.diff(first) == pytest.approx(0.03) and second.max() < 6.1 and second.min() >= 5.0


def test_a_pose_lies_between_its_samples():
    walk = made_up.motion(1.0, MUSCLES)
    pose = pose_at(walk, 0.51)
    assert pose.root_position[0] == pytest.approx(0.51 * made_up.SPEED_MPS)
    assert pose.joint_position == pytest.approx(0.5 * (walk.joint_position[25] + walk.joint_position[26]))
    assert np.linalg.norm(pose.root_orientation_xyzw) == pytest.approx(1.0)
    assert pose.torque["ankle_angle_r"] == -20.0
    assert pose_at(walk, 99.0).root_position == pytest.approx(walk.root_position[-1])


def test_the_camera_goes_with_the_person_from_the_first_to_the_last_frame():
    walk = made_up.motion(3.0, MUSCLES)
    for time_s in (0.0, 1.5, 3.0):
        assert camera_at(walk, Clip("a", 0.0, 3.0), time_s)[0] == pytest.approx(time_s * made_up.SPEED_MPS, abs=0.01)


@pytest.mark.parametrize("wrong", [{"seconds": 0.0}, {"playback": 9.0}, {"width": 10}, {"seconds": math.nan}])
def test_options_out_of_range_name_the_option(wrong):
    with pytest.raises(UserError, match=f"--{next(iter(wrong))}"):
        FilmOptions(**wrong)


def frames(count=4, edge=64):
    random = np.random.default_rng(0)
    return [Image.fromarray(random.integers(0, 255, (edge, edge, 3), dtype=np.uint8)) for _ in range(count)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_has_its_frames_and_their_time(tmp_path, suffix):
    path = tmp_path / f"film{suffix}"
    assert encode.write_film(path, frames(), 0.06, 10**7) == path.stat().st_size
    with Image.open(path) as film:
        assert film.n_frames == 4 and film.size == (64, 64)
        if suffix == ".gif":  # Pillow does not tell WebP's
            film.seek(1)
            assert film.info["duration"] == 60


def test_a_film_loses_quality_until_it_fits(tmp_path):
    path = tmp_path / "film.gif"
    full = encode.write_film(path, frames(6, 96), 0.06, 10**7)
    assert encode.write_film(path, frames(6, 96), 0.06, full // 2) <= full // 2
    with pytest.raises(UserError, match="--seconds"):
        encode.write_film(path, frames(), 0.06, 100)


def test_the_colours_of_the_legend_survive_the_palette(tmp_path):
    path = tmp_path / "film.gif"
    wanted = encode.meaningful_colours()
    picture = np.full((60, 90, 3), 240, dtype=np.uint8)
    for place, colour in enumerate(wanted):
        picture[place, :3] = colour
    encode.write_film(path, [Image.fromarray(picture)] * 2, 0.06, 10**7)
    with Image.open(path) as film:
        drawn = np.asarray(film.convert("RGB"))
    assert [tuple(int(c) for c in drawn[place, 1]) for place in range(len(wanted))] == wanted


def test_a_name_that_is_no_film_and_mp4_without_ffmpeg_are_refused_before_rendering(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="ends in .gif"):
        encode.check_output(tmp_path / "film.avi")
    with pytest.raises(UserError, match="not a folder"):
        encode.check_output(tmp_path / "nowhere" / "film.gif")
    monkeypatch.setattr(encode.shutil, "which", lambda _: None)
    with pytest.raises(UserError, match="apt install ffmpeg"):
        encode.check_output(tmp_path / "film.mp4")


def test_without_opengl_one_line_says_what_to_install(monkeypatch):
    monkeypatch.delenv(scene.GRAPHICS_VARIABLE, raising=False)
    monkeypatch.setattr(scene, "_works", lambda _: False)
    with pytest.raises(UserError, match="libosmesa6") as caught:
        scene.choose_backend()
    assert "\n" not in str(caught.value)


def test_osmesa_serves_where_egl_does_not(monkeypatch):
    monkeypatch.delenv(scene.GRAPHICS_VARIABLE, raising=False)
    monkeypatch.setattr(scene, "_works", lambda backend: backend == "osmesa")
    assert scene.choose_backend() == "osmesa"
    monkeypatch.setenv(scene.GRAPHICS_VARIABLE, "egl")
    with pytest.raises(UserError, match="MUJOCO_GL=egl does not work"):
        scene.choose_backend()
    monkeypatch.setenv(scene.GRAPHICS_VARIABLE, "glfw")
    with pytest.raises(UserError, match="without a display"):
        scene.choose_backend()


@pytest.fixture(scope="module")
def body():
    return build_body(Subject(), find_device("hip_ankle"), 500.0, visuals=True)


@pytest.fixture
def recorded(tmp_path, body):
    pytest.importorskip("rclpy", reason="a recording is made with ROS 2's messages")
    folder = made_up.run_folder(tmp_path, phases=PHASES)
    made_up.record(folder.recording, made_up.motion(8.0, body.muscles), namespace="/left_lab")
    return folder


def test_what_was_recorded_is_read_in_a_namespace_too(recorded, body):
    walk, made = read_motion(recorded.recording), made_up.motion(8.0, body.muscles)
    assert walk.joint_names == made.joint_names and walk.muscle_names == body.muscles
    assert walk.device_names == made_up.DEVICE_JOINTS
    for name in (
        "time_s",
        "root_position",
        "joint_position",
        "joint_velocity",
        "contact",
        "force",
        "device_torque",
        "fallen",
    ):
        assert np.allclose(getattr(walk, name), getattr(made, name), atol=1e-6), name
    assert np.allclose(walk.pressure_centre, made.pressure_centre, equal_nan=True)
    assert walk.between(1.0, 2.0) == slice(50, 101)


def test_no_recording_and_a_damaged_one_are_one_clear_line(tmp_path):
    with pytest.raises(UserError, match="no recording"):
        read_motion(tmp_path / "recording.mcap")
    (tmp_path / "recording.mcap").write_bytes(b"not MCAP at all")
    with pytest.raises(UserError, match="damaged"):
        read_motion(tmp_path / "recording.mcap")


def test_a_cut_recording_is_one_clear_line(recorded):
    content = recorded.recording.read_bytes()
    recorded.recording.write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match="damaged or was not closed"):
        read_motion(recorded.recording)


@pytest.fixture
def backend():
    try:
        return scene.choose_backend()
    except UserError as error:
        pytest.skip(str(error))


def test_three_frames_show_the_person_and_the_muscles_that_work(tmp_path, body, backend):
    folder = made_up.run_folder(tmp_path, phases=PHASES)
    run, options = load_run(folder.path), FilmOptions(width=320)
    clips = [Clip("unassisted", 1.0, 1.2), Clip("assisted", 3.0, 3.2)]
    red = {}
    for activation in (0.0, 1.0):
        walk = made_up.motion(4.0, body.muscles, activation=activation)
        pictures = render_frames(run, walk, clips, frame_times(clips, 1.0), backend, options, lambda _: None)
        assert len(pictures) == 3 and pictures[0].width == 320
        pixels = np.asarray(pictures[1]).astype(int)
        left = pixels[80:240, :158]
        background = np.round(255 * np.array(BACKGROUND))
        assert np.abs(left[4, 4] - background).max() <= 3
        assert (np.abs(left - background).max(axis=2) > 60).mean() > 0.03  # somebody is there
        assert (pixels[80:240, :158] != pixels[80:240, 162:]).any()  # at two different instants
        red[activation] = int(((left[..., 0] > 120) & (left[..., 1] < 60) & (left[..., 2] < 70)).sum())
    assert red[0.0] < 20 < red[1.0]


def test_a_film_is_written_beside_the_run(recorded, backend):
    said = []
    path = make_film(recorded.path, options=FilmOptions(seconds=0.2, playback=1.0, width=320), say=said.append)
    assert path == recorded.path / "film.gif" and path.stat().st_size < 3_000_000
    with Image.open(path) as film:
        assert film.n_frames == 3
    assert "unassisted and assisted" in said[0] and "3 frames" in said[0]


def test_the_command_line_has_the_films_own_defaults():
    chosen = cli.build_parser().parse_args(["film", "run"])
    assert FilmOptions(chosen.seconds, chosen.playback, chosen.width) == FilmOptions()


def test_the_command_line_refuses_in_one_line(tmp_path):
    for words in (["film", str(tmp_path)], ["compare", str(tmp_path), str(tmp_path)]):
        chosen = cli.build_parser().parse_args(words)
        with pytest.raises(ValueError, match="not the folder of a run"):
            chosen.run(chosen)


def test_the_command_line_compares(tmp_path, capsys):
    folders = [str(made_up.run_folder(tmp_path, name).path) for name in "ab"]
    chosen = cli.build_parser().parse_args(["compare", *folders, "--output", str(tmp_path / "both.html")])
    assert chosen.run(chosen) == 0
    assert "2 runs side by side" in (tmp_path / "both.html").read_text()
    assert "both.html" in capsys.readouterr().out

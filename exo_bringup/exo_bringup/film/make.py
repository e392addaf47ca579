# SPDX-License-Identifier: Apache-2.0
"""`exo film`: from a run folder to a film of a few strides, without and with assistance side by side.

What is shown are whole strides without falls, one stretch for each condition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from exo_bringup.body_pose import ANY_PHYSICS_RATE_HZ
from exo_bringup.film.captions import Panel, compose
from exo_bringup.film.encode import check_output, write_film
from exo_bringup.film.scene import FilmScene, choose_backend, pose_at
from exo_core.errors import UserError
from exo_lab.recorded_motion import RecordedMotion, read_motion
from exo_lab.report.run_data import METABOLIC_POWER, RunData, load_run
from exo_lab.report.style import COLOURS, OTHER_COLOUR, shown
from exo_sim.body.model import build_body

FILM_NAME = "film.gif"
#: A README stays quick to load.
MOST_BYTES = 3_000_000
#: GIF counts in hundredths of a second: 60 ms is 16.7 frames a second.
FRAME_PERIOD_S = 0.06
#: A panel of this shape holds a walking person.
HEIGHT_PER_WIDTH = 1.2
SHORTEST_S, LONGEST_S = 0.2, 60.0
SLOWEST, FASTEST = 0.05, 4.0
NARROWEST, WIDEST = 320, 1920
#: The camera follows the mean over this time, so that it does not sway with each step (s).
CAMERA_WINDOW_S = 0.6
#: A line of progress after this many frames.
PROGRESS_FRAMES = 25
#: A person who falls has stumbled for about this long before (s).
STUMBLE_S = 1.0
#: A foot that has touched down stays for at least this long (s); shorter contacts are grazes in swing.
SHORTEST_CONTACT_S = 0.1
#: Two contacts of a foot nearer than this are one (s).
SHORTEST_STRIDE_S = 0.5
WHOLE_WALK = "walk"


@dataclass(frozen=True)
class FilmOptions:
    """What to film.

    Attributes:
        seconds: of simulated time at most, in each condition; whole strides are shown.
        playback: simulated seconds in a second of film; 1 is natural.
        width: of the film (pixels).
    """

    seconds: float = 2.5
    playback: float = 0.5
    width: int = 720

    def __post_init__(self):
        for name, value, low, high in (
            ("--seconds", self.seconds, SHORTEST_S, LONGEST_S),
            ("--playback", self.playback, SLOWEST, FASTEST),
            ("--width", self.width, NARROWEST, WIDEST),
        ):
            if not low <= value <= high:
                raise UserError(f"{name} must be {low:g} to {high:g}, got {value:g}")


@dataclass(frozen=True)
class Clip:
    """From start_s to end_s of simulated time, under the name of its condition."""

    condition: str
    start_s: float
    end_s: float

    @property
    def duration_s(self) -> float:
        """Simulated time shown (s)."""
        return self.end_s - self.start_s


def make_film(
    run_folder: str | Path,
    output: str | Path = "",
    options: FilmOptions = FilmOptions(),
    say: Callable[[str], None] = print,
) -> Path:
    """Film a run and return the file: `output`, or film.gif beside the run's files.

    Raises:
        UserError: no recording, nothing to show, no off-screen OpenGL, or the file cannot be written.
    """
    run = load_run(run_folder)
    path = Path(output) if str(output) else run.folder.path / FILM_NAME
    check_output(path)
    motion = read_motion(run.folder.recording)
    clips = choose_clips(motion, run.configuration, options.seconds)
    backend = choose_backend()
    times = frame_times(clips, options.playback)
    say(f"filming {' and '.join(clip.condition for clip in clips)}: {len(times[0])} frames by {backend} ...")
    frames = render_frames(run, motion, clips, times, backend, options, say)
    size = write_film(path, frames, FRAME_PERIOD_S, MOST_BYTES)
    say(f"written to {path}: {len(frames) * FRAME_PERIOD_S:.1f} s, {size / 1e6:.2f} MB")
    return path


def frame_times(clips: list[Clip], playback: float) -> list[np.ndarray]:
    """Simulated times (s) of the frames of each clip, equally many; a shorter clip begins again."""
    step = FRAME_PERIOD_S * playback
    count = max(1, round(max(clip.duration_s for clip in clips) / step))
    return [clip.start_s + np.mod(step * np.arange(count), max(clip.duration_s, step)) for clip in clips]


def render_frames(
    run: RunData,
    motion: RecordedMotion,
    clips: list[Clip],
    times: list[np.ndarray],
    backend: str,
    options: FilmOptions,
    say: Callable[[str], None],
) -> list[Image.Image]:
    """All frames, the clips side by side."""
    body = build_body(run.subject, run.device(), ANY_PHYSICS_RATE_HZ, visuals=True)
    width = options.width // len(clips) if len(clips) > 1 else min(options.width, options.width * 2 // 3)
    height = round(width * HEIGHT_PER_WIDTH)
    limits = (
        {joint: spec.torque_limit(body.body_mass) for joint, spec in body.device.joints.items()} if body.device else {}
    )
    powers = [_power(run, motion, clip) for clip in clips]
    footnote = _footnote(run, options)
    frames = []
    with FilmScene(body, backend, width, height) as scene:
        for number in range(len(times[0])):
            panels = []
            for clip, instants, power in zip(clips, times, powers, strict=False):
                pose = pose_at(motion, instants[number])
                picture = scene.render(
                    pose, motion.joint_names, motion.muscle_names, camera_at(motion, clip, instants[number])
                )
                torque = {joint: pose.torque.get(joint, math.nan) for joint in limits}
                panels.append(
                    Panel(
                        picture,
                        clip.condition,
                        _subtitle(run, clip),
                        COLOURS.get(clip.condition, OTHER_COLOUR),
                        power,
                        _power_words(power, powers[0]),
                        {joint: float(np.clip(torque[joint] / limits[joint], -1.0, 1.0)) for joint in limits},
                        torque,
                    )
                )
            frames.append(compose(panels, footnote))
            if (number + 1) % PROGRESS_FRAMES == 0:
                say(f"  {number + 1} of {len(times[0])} frames")
    return frames


def camera_at(motion: RecordedMotion, clip: Clip, time_s: float) -> np.ndarray:
    """Where the camera looks (2,), m on the floor: where the pelvis is, without its swaying."""
    within = motion.between(clip.start_s - CAMERA_WINDOW_S, clip.end_s + CAMERA_WINDOW_S)
    times, places = motion.time_s[within], motion.root_position[within, :2]
    near = np.exp(-0.5 * ((times - time_s) / (0.5 * CAMERA_WINDOW_S)) ** 2) * ~motion.fallen[within]
    if near.sum() <= 0.0:
        return places[np.argmin(np.abs(times - time_s))]
    # a local line rather than a local mean: it does not lag behind at the ends
    design = np.column_stack([np.ones_like(times), times - time_s])
    weighted = design * near[:, None]
    return np.linalg.lstsq(weighted.T @ design, weighted.T @ places, rcond=None)[0][0]


def _subtitle(run: RunData, clip: Clip) -> str:
    if clip.condition == "unassisted":
        return "device worn, no torque"
    return f"{run.configuration['controller']} controller" if "controller" in run.configuration else ""


def _power(run: RunData, motion: RecordedMotion, clip: Clip) -> float:
    """Mean over the condition's strides, as in the report; over the clip where there are none."""
    over_strides = run.mean(METABOLIC_POWER, clip.condition)
    return (
        over_strides
        if math.isfinite(over_strides)
        else float(np.mean(motion.metabolic_power_per_mass[motion.between(clip.start_s, clip.end_s)]))
    )


def _power_words(power: float, first: float) -> str:
    return (
        "metabolic power"
        if power == first
        else f"metabolic power, {shown(100.0 * (power / first - 1.0), 1, sign=True)} %"
    )


def _footnote(run: RunData, options: FilmOptions) -> str:
    pace = {1.0: "", 0.5: ", half speed"}.get(options.playback, f", {options.playback:g} times speed")
    return f"{run.speed_mps:g} m/s{pace}" if math.isfinite(run.speed_mps) else pace.removeprefix(", ")


def choose_clips(motion: RecordedMotion, configuration: Mapping, longest_s: float) -> list[Clip]:
    """A clip of at most longest_s for each measured condition that was walked, from a right heel strike on.

    Raises:
        UserError: nothing but falls.
    """
    phases = configuration.get("phases", [])
    measured = [
        (later["name"], earlier["until_s"], later["until_s"])
        for earlier, later in pairwise(phases)
        if later.get("measured")
    ]
    whole = (WHOLE_WALK, float(motion.time_s[0]), float(motion.time_s[-1]))
    clips = [_clip(motion, *part, longest_s) for part in measured or [whole]]
    found = [clip for clip in clips if clip is not None]
    if not found:
        raise UserError("there is nothing to film: the recording has no moment without a fall in a measured part")
    return found


def _clip(motion: RecordedMotion, condition: str, start_s: float, end_s: float, longest_s: float) -> Clip | None:
    stretches = [_without_stumble(*stretch) for stretch in upright_stretches(motion, start_s, end_s)]
    stretches = [(first, last) for first, last in stretches if last > first]
    if not stretches:
        return None
    first, last = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    strikes = heel_strikes(motion, first, last)
    best = None
    for begin in strikes:
        ends = [end for end in strikes if 0.0 < end - begin <= longest_s + 1e-9]
        if ends and (best is None or ends[-1] - begin >= best[1] - best[0]):
            best = (begin, ends[-1])
    if best is None:  # too short for a whole stride: better a part of one than nothing
        best = (max(first, last - longest_s), last)
    return Clip(condition, *best)


def upright_stretches(motion: RecordedMotion, start_s: float, end_s: float) -> list[tuple[float, float, bool]]:
    """(start, end, whether it ends in a fall) of stretches between falls, in s."""
    within = motion.between(start_s, end_s)
    times, upright = motion.time_s[within], ~motion.fallen[within]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], upright, [False]]).astype(int)))
    return [
        (float(times[a]), float(times[b - 1]), b < len(times)) for a, b in zip(edges[::2], edges[1::2], strict=False)
    ]


def _without_stumble(start_s: float, end_s: float, falls: bool) -> tuple[float, float]:
    return start_s, end_s - STUMBLE_S if falls and end_s - start_s > 2.0 * STUMBLE_S else end_s


def heel_strikes(motion: RecordedMotion, start_s: float, end_s: float) -> list[float]:
    """Times (s) at which the right foot touches down."""
    within = motion.between(start_s, end_s)
    times, contact = motion.time_s[within], motion.contact[within, 0]
    strikes: list[float] = []
    for first in np.flatnonzero(contact[1:] & ~contact[:-1]) + 1:
        stays = contact[(times >= times[first]) & (times <= times[first] + SHORTEST_CONTACT_S)].all()
        if stays and (not strikes or times[first] - strikes[-1] >= SHORTEST_STRIDE_S):
            strikes.append(float(times[first]))
    return strikes

# SPDX-License-Identifier: Apache-2.0
"""Frames to a file that stays under a size: GIF and WebP by Pillow, MP4 by an `ffmpeg` that is installed."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from exo_bringup.look import BACKGROUND, FORCE, TORQUE, muscle_colours
from exo_core.errors import UserError
from exo_lab.report.style import COLOURS, FAINT_INK, INK

#: From the best picture to the smallest file: (colours of GIF, quality of WebP or CRF of MP4; scale).
STEPS = {
    ".gif": ((160, 1.0), (112, 1.0), (80, 0.9), (64, 0.75), (48, 0.6), (40, 0.45)),
    ".webp": ((82, 1.0), (65, 1.0), (50, 0.85), (35, 0.7), (20, 0.5)),
    ".mp4": ((20, 1.0), (25, 1.0), (30, 0.85), (36, 0.7), (42, 0.5)),
}
#: A GIF's palette is made from this many frames; colours are counted in bins of this many bits a channel.
PALETTE_FRAMES, BIN_BITS = 8, 5
#: A colour's weight is its pixel count to this power: the background must not crowd out thin muscles.
COUNT_POWER = 0.35
#: Steps of the muscles' scale that a reduced palette keeps as they are.
KEPT_MUSCLE_STEPS = 8
FFMPEG = (
    "ffmpeg -loglevel error -f rawvideo -pix_fmt rgb24 -s {width}x{height} -r {rate:g} -i - -an -c:v libx264 -crf {crf} "
    "-pix_fmt yuv420p -vf pad=ceil(iw/2)*2:ceil(ih/2)*2 -movflags frag_keyframe+empty_moov -f mp4 -"
)


def check_output(path: Path) -> None:
    """Raises UserError if a film cannot become this file, before anything is rendered."""
    if path.suffix.lower() not in STEPS:
        raise UserError(f"{path.name}: a film ends in {', '.join(STEPS)}")
    if path.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise UserError(
            "MP4 needs the program ffmpeg, which is not installed (apt install ffmpeg); "
            "or choose a name that ends in .gif or .webp"
        )
    if not path.parent.is_dir():
        raise UserError(f"{path.parent} is not a folder: choose another place with --output")


def write_film(path: Path, frames: Sequence[Image.Image], period_s: float, most_bytes: int) -> int:
    """Write frames, each shown for period_s, and return the file's size in bytes.

    Raises:
        UserError: it cannot be written, or no quality makes it small enough.
    """
    encode = {".gif": _gif, ".webp": _webp, ".mp4": _mp4}[path.suffix.lower()]
    for quality, scale in STEPS[path.suffix.lower()]:
        data = encode(_scaled(frames, scale), period_s, quality)
        if len(data) <= most_bytes:
            break
    else:
        raise UserError(
            f"the film does not fit into {most_bytes / 1e6:g} MB: make it shorter with --seconds, or narrower with "
            "--width"
        )
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    return len(data)


def _scaled(frames: Sequence[Image.Image], scale: float) -> Sequence[Image.Image]:
    if scale == 1.0:
        return frames
    # MP4's colour planes need even edges
    size = tuple(2 * round(edge * scale / 2) for edge in frames[0].size)
    return [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames]


def meaningful_colours() -> list[tuple[int, int, int]]:
    """Colours (0 to 255) that a reader compares with a legend: a reduced palette must keep them."""
    written = [tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5)) for colour in (*COLOURS.values(), INK, FAINT_INK)]
    drawn = (TORQUE, FORCE, BACKGROUND, *muscle_colours(np.linspace(0.0, 1.0, KEPT_MUSCLE_STEPS)))
    return [*written, (255, 255, 255), *(tuple(round(255 * float(part)) for part in colour) for colour in drawn)]


def _gif(frames: Sequence[Image.Image], period_s: float, colours: int) -> bytes:
    """One palette for all frames: pixels that do not change are then left out."""
    palette = _palette(frames[:: max(1, len(frames) // PALETTE_FRAMES)][:PALETTE_FRAMES], colours)
    reduced = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    return _animated(reduced, period_s, format="GIF", optimize=False)


def _webp(frames: Sequence[Image.Image], period_s: float, quality: int) -> bytes:
    return _animated(frames, period_s, format="WEBP", quality=quality, method=4)


def _animated(frames: Sequence[Image.Image], period_s: float, **options) -> bytes:
    stream = io.BytesIO()
    timing = {"duration": round(1000 * period_s), "loop": 0}
    frames[0].save(stream, save_all=True, append_images=list(frames[1:]), **timing, **options)
    return stream.getvalue()


def _palette(frames: Sequence[Image.Image], colours: int) -> Image.Image:
    """The colours that mean something as they are, the rest by what the frames hold."""
    pixels = np.concatenate([np.asarray(frame).reshape(-1, 3) for frame in frames])
    bins = pixels >> (8 - BIN_BITS)
    keys = (bins[:, 0].astype(np.int64) << 2 * BIN_BITS) | (bins[:, 1].astype(np.int64) << BIN_BITS) | bins[:, 2]
    _, place, counts = np.unique(keys, return_inverse=True, return_counts=True)
    means = np.stack([np.bincount(place, pixels[:, channel]) for channel in range(3)], axis=1) / counts[:, None]
    repeated = np.repeat(np.round(means).astype(np.uint8), np.ceil(counts**COUNT_POWER).astype(int), axis=0)
    kept = [channel for colour in meaningful_colours() for channel in colour]
    rest = Image.fromarray(repeated[None]).quantize(colours - len(kept) // 3, method=Image.Quantize.MEDIANCUT)
    palette = Image.new("P", (1, 1))
    palette.putpalette(kept + rest.getpalette())
    return palette


def _mp4(frames: Sequence[Image.Image], period_s: float, crf: int) -> bytes:
    width, height = frames[0].size
    command = FFMPEG.format(width=width, height=height, rate=1.0 / period_s, crf=crf).split()
    done = subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), capture_output=True)
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise UserError(f"ffmpeg failed: {last[0]}; choose a name that ends in .gif or .webp")
    return done.stdout

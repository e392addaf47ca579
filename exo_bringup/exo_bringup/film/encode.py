# SPDX-License-Identifier: Apache-2.0
"""Frames to a file that stays under a size: GIF and WebP by Pillow, MP4 by an `ffmpeg` that is installed."""

from __future__ import annotations

import io
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from exo_bringup.film.look import meaningful_colours
from exo_core.errors import UserError

#: From the best picture to the smallest file: (colours, scale) of GIF, (quality, scale) of WebP, (CRF, scale)
#: of MP4.
GIF_STEPS = ((160, 1.0), (112, 1.0), (80, 0.9), (64, 0.75), (48, 0.6), (40, 0.45))
WEBP_STEPS = ((82, 1.0), (65, 1.0), (50, 0.85), (35, 0.7), (20, 0.5))
MP4_STEPS = ((20, 1.0), (25, 1.0), (30, 0.85), (36, 0.7), (42, 0.5))
#: A GIF's palette is made from this many frames; colours are counted in bins of this many bits a channel.
PALETTE_FRAMES, BIN_BITS = 8, 5
#: A colour's weight is its pixel count to this power: the background must not crowd out thin muscles.
COUNT_POWER = 0.35
SUFFIXES = (".gif", ".webp", ".mp4")


def check_output(path: Path) -> None:
    """Raises UserError if a film cannot become this file, before anything is rendered."""
    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path.name}: a film ends in {', '.join(SUFFIXES)}")
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
    suffix = path.suffix.lower()
    steps, encode = {".gif": (GIF_STEPS, _gif), ".webp": (WEBP_STEPS, _webp), ".mp4": (MP4_STEPS, _mp4)}[suffix]
    data = _smallest_loss(frames, period_s, most_bytes, steps, encode)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}") from error
    return len(data)


def _smallest_loss(frames, period_s: float, most_bytes: int, steps, encode: Callable) -> bytes:
    for quality, scale in steps:
        data = encode(_scaled(frames, scale), period_s, quality)
        if len(data) <= most_bytes:
            return data
    raise UserError(
        f"the film does not fit into {most_bytes / 1e6:g} MB: make it shorter with --seconds, or narrower with --width"
    )


def _scaled(frames: Sequence[Image.Image], scale: float) -> Sequence[Image.Image]:
    if scale == 1.0:
        return frames
    # MP4's colour planes need even edges
    size = tuple(2 * round(edge * scale / 2) for edge in frames[0].size)
    return [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames]


def _gif(frames: Sequence[Image.Image], period_s: float, colours: int) -> bytes:
    """One palette for all frames: pixels that do not change are then left out."""
    palette = _palette(frames[:: max(1, len(frames) // PALETTE_FRAMES)][:PALETTE_FRAMES], colours)
    reduced = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    stream = io.BytesIO()
    reduced[0].save(
        stream,
        "GIF",
        save_all=True,
        append_images=reduced[1:],
        duration=round(1000 * period_s),
        loop=0,
        optimize=False,
    )
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


def _webp(frames: Sequence[Image.Image], period_s: float, quality: int) -> bytes:
    stream = io.BytesIO()
    frames[0].save(
        stream,
        "WEBP",
        save_all=True,
        append_images=list(frames[1:]),
        duration=round(1000 * period_s),
        loop=0,
        quality=quality,
        method=4,
    )
    return stream.getvalue()


def _mp4(frames: Sequence[Image.Image], period_s: float, crf: int) -> bytes:
    width, height = frames[0].size
    command = [
        "ffmpeg",
        "-loglevel",
        "error",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "rgb24",
        "-s",
        f"{width}x{height}",
        "-r",
        f"{1.0 / period_s:g}",
        "-i",
        "-",
        "-an",
        "-c:v",
        "libx264",
        "-crf",
        str(crf),
        "-pix_fmt",
        "yuv420p",
        "-vf",
        "pad=ceil(iw/2)*2:ceil(ih/2)*2",
        "-movflags",
        "frag_keyframe+empty_moov",
        "-f",
        "mp4",
        "-",
    ]
    done = subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), capture_output=True)
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise UserError(f"ffmpeg failed: {last[0]}; choose a name that ends in .gif or .webp")
    return done.stdout

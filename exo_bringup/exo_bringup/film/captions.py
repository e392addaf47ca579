# SPDX-License-Identifier: Apache-2.0
"""Puts rendered pictures side by side and writes on them: condition, power, torque, what colours mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from exo_bringup.look import FORCE, SMALLEST_TORQUE, TORQUE, muscle_colours
from exo_lab.report.style import FAINT_INK, INK

#: All measures are in pixels of a panel of this width, and grow with it.
DESIGN_WIDTH = 360
HEAD, BARS, FOOT, MARGIN, STRIPE = 62, 66, 34, 16, 6
TITLE, WORDS = 21, 12
BAR_START, BAR_END, BAR_HEIGHT, BAR_TOP, BAR_STEP = 76, 50, 9, 14, 22
SCALE_WIDTH, SCALE_STEPS, SWATCH = 60, 12, 14
PAPER, TRACK = "#FFFFFF", "#E3E5E8"
#: Rows of bars that there is room for.
MOST_JOINTS = 2


@dataclass(frozen=True)
class Panel:
    """One condition at one instant.

    Attributes:
        picture: (height, width, 3) bytes.
        title, subtitle, colour: of the condition.
        power: mean metabolic power of the condition (W/kg).
        power_words: what stands under it.
        torque: share of the torque limit, -1 to 1, by joint, in the sign of the joint.
        torque_nm: the same in Nm.
    """

    picture: np.ndarray
    title: str
    subtitle: str
    colour: str
    power: float
    power_words: str
    torque: dict[str, float]
    torque_nm: dict[str, float]


def compose(panels: Sequence[Panel], footnote: str) -> Image.Image:
    """The frame of a film."""
    height, width = panels[0].picture.shape[:2]
    pen = _Pen(width / DESIGN_WIDTH)
    bars = BARS if panels[0].torque else 0
    frame = Image.new("RGB", (width * len(panels), height + pen.px(HEAD) + pen.px(bars) + pen.px(FOOT)), PAPER)
    pen.draw = ImageDraw.Draw(frame)
    for place, panel in enumerate(panels):
        left = place * width
        frame.paste(Image.fromarray(panel.picture), (left, pen.px(HEAD)))
        _head(pen, panel, left, width)
        _bars(pen, panel, left, pen.px(HEAD) + height, width)
        if place:
            bottom = frame.height - pen.px(FOOT)
            pen.draw.line((left, 0, left, bottom), fill=TRACK, width=pen.px(2))
    _foot(pen, footnote, frame.height - pen.px(FOOT), frame.width)
    return frame


class _Pen:
    """Draws at a scale, on the frame whose ``draw`` it is given."""

    draw: ImageDraw.ImageDraw

    def __init__(self, scale: float):
        self.scale = scale

    def px(self, length: float) -> int:
        """A length of the design in pixels."""
        return round(self.scale * length)

    def text(
        self, x: float, y: float, words: str, colour: str, anchor: str, size: int = WORDS, bold: bool = False
    ) -> int:
        """Write one line and return its width in pixels."""
        font = _font(max(6, self.px(size)), bold)
        self.draw.text((x, y), words, font=font, fill=colour, anchor=anchor)
        return round(font.getlength(words))


def _head(pen: _Pen, panel: Panel, left: int, width: int) -> None:
    near, far = left + pen.px(MARGIN), left + width - pen.px(MARGIN)
    pen.draw.rectangle((left, 0, left + width, pen.px(STRIPE) - 1), fill=panel.colour)
    pen.text(near, pen.px(14), panel.title, panel.colour, "la", TITLE, bold=True)
    pen.text(near, pen.px(40), panel.subtitle, FAINT_INK, "la")
    if np.isfinite(panel.power):
        pen.text(far, pen.px(14), f"{panel.power:.1f} W/kg", INK, "ra", TITLE, bold=True)
        pen.text(far, pen.px(40), panel.power_words, FAINT_INK, "ra")


def _bars(pen: _Pen, panel: Panel, left: int, top: int, width: int) -> None:
    """A bar from its middle for each joint, a column for each leg."""
    columns = {"r": left + pen.px(MARGIN), "l": left + width // 2 + pen.px(MARGIN / 2)}
    stems = list(dict.fromkeys(joint.rpartition("_")[0] for joint in panel.torque))[:MOST_JOINTS]
    for side, x in columns.items():
        for row, stem in enumerate(stems):
            joint = f"{stem}_{side}"
            if joint in panel.torque:
                y = top + pen.px(BAR_TOP + row * BAR_STEP)
                end = x + width // 2 - pen.px(MARGIN + BAR_END)
                name = f"{stem.split('_')[0]} {'right' if side == 'r' else 'left'}"
                _bar(pen, name, (x, x + pen.px(BAR_START), end), y, panel.torque[joint], panel.torque_nm[joint])


def _bar(pen: _Pen, name: str, xs: tuple[int, int, int], y: int, share: float, torque_nm: float) -> None:
    x, start, end = xs
    height, middle = pen.px(BAR_HEIGHT), (start + end) // 2
    pen.text(x, y + height / 2, name, FAINT_INK, "lm")
    pen.draw.rectangle((start, y, end, y + height), fill=TRACK)
    if np.isfinite(share):
        drawn = abs(share) > SMALLEST_TORQUE
        tip = round(middle + share * (end - start) / 2)
        if drawn:
            pen.draw.rectangle((min(middle, tip), y, max(middle, tip), y + height), fill=_hex(TORQUE))
        value = f"{torque_nm if drawn else 0.0:.0f} Nm".replace("-", "\N{MINUS SIGN}")
        pen.text(end + pen.px(BAR_END - 4), y + height / 2, value, INK, "rm")
    pen.draw.line((middle, y - pen.px(2), middle, y + height + pen.px(2)), fill=FAINT_INK)


def _foot(pen: _Pen, footnote: str, top: int, width: int) -> None:
    pen.draw.line((0, top, width, top), fill=TRACK)
    middle, x = top + pen.px(FOOT / 2), pen.px(MARGIN)
    x += pen.text(x, middle, "muscle activation  0", FAINT_INK, "lm") + pen.px(6)
    for step, colour in enumerate(muscle_colours(np.linspace(0.0, 1.0, SCALE_STEPS))):
        left, right = (x + pen.px(SCALE_WIDTH * (step + edge) / SCALE_STEPS) for edge in (0, 1))
        pen.draw.rectangle((left, middle - pen.px(5), right, middle + pen.px(4)), fill=_hex(colour))
    x += pen.px(SCALE_WIDTH + 6)
    x += pen.text(x, middle, "1", FAINT_INK, "lm") + pen.px(MARGIN)
    for colour, words in ((TORQUE, "device torque"), (FORCE, "ground reaction")):
        if x + pen.px(110) > width:  # a single narrow panel has no room for all
            return
        pen.draw.rectangle((x, middle - pen.px(4), x + pen.px(SWATCH), middle + pen.px(3)), fill=_hex(colour))
        x += pen.px(SWATCH + 6)
        x += pen.text(x, middle, words, FAINT_INK, "lm") + pen.px(MARGIN)
    if x + pen.px(140) <= width:
        pen.text(width - pen.px(MARGIN), middle, footnote, FAINT_INK, "rm")


def _hex(colour) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02X}" for part in colour)


@lru_cache(maxsize=8)
def _font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib."""
    import matplotlib

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / name), size)

# SPDX-License-Identifier: Apache-2.0
"""`exo trial fuzz`: random frames against codecs, driver and motors."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from exo_bringup.trials.trial import Trial
from exo_device.devices import driver_file
from exo_device.drivers.config_file import read_driver_config
from exo_device.trials.fuzz import FIRMWARES, fuzz_block, fuzz_config
from exo_sim.measurement import Figure

#: Frames of one round.
BLOCK_FRAMES = 20_000
FAILURES = ("crashes", "wrong_motor", "not_finite", "wrong_torque")


class FuzzTrial(Trial):
    """The same number of frames for each firmware."""

    name, unit = "fuzz", "blocks"

    def __init__(self, folder: Path, *, frames: int, seed: int) -> None:
        super().__init__(folder)
        self._frames, self._seed = frames, seed
        settings = read_driver_config(driver_file("cubemars_example"), "cubemars_can")
        self._configs = {firmware: fuzz_config(settings, firmware) for firmware in FIRMWARES}

    def configuration(self) -> dict:
        return {"frames_per_firmware": self._frames, "seed": self._seed, "block_frames": BLOCK_FRAMES}

    def rounds(self) -> list[str]:
        blocks = -(-self._frames // BLOCK_FRAMES)
        return [f"{firmware} {block}" for firmware in FIRMWARES for block in range(blocks)]

    def run(self, round_name: str) -> dict:
        firmware, block = round_name.split()
        frames = min(BLOCK_FRAMES, self._frames - int(block) * BLOCK_FRAMES)
        return fuzz_block(self._configs[firmware], firmware, self._seed, int(block), frames)

    def figures(self, measured: dict[str, dict]) -> list[Figure]:
        sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for name, tally in measured.items():
            for key, value in tally.items():
                if key != "example":
                    sums[name.split()[0]][key] += value
        figures = []
        for firmware, tally in sums.items():
            figures.append(Figure.against(f"{firmware}_frames", tally["frames"], "1", at_least=self._frames))
            figures += [Figure(f"{firmware}_{key}", tally[key], "1") for key in ("replies", "orders", "set_points")]
            figures += [Figure.against(f"{firmware}_{key}", tally[key], "1", at_most=0) for key in FAILURES]
        return figures

    def details(self, measured: dict[str, dict]) -> dict:
        return {"examples": [tally["example"] for tally in measured.values() if tally["example"]]}

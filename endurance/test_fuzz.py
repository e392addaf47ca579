# SPDX-License-Identifier: Apache-2.0
"""Random frames against codecs, driver and motors: no crash, no wrong motor. Minutes at full size."""

from collections import Counter

import pytest

from endurance.fuzz import FIRMWARES, fuzz_block, fuzz_config
from exo_device.devices import driver_file
from exo_device.drivers import read_driver_config
from exo_sim.measurement import Figure

#: Frames of one round.
BLOCK_FRAMES = 20_000
FAILURES = ("crashes", "wrong_motor", "not_finite", "wrong_torque")


@pytest.mark.endurance
@pytest.mark.parametrize("firmware", FIRMWARES)
def test_random_frames_do_no_harm(results, request, firmware):
    wanted, seed = request.config.getoption("--frames"), request.config.getoption("--trial-seed")
    settings = read_driver_config(driver_file("cubemars_example"), "cubemars_can")
    config, tally, examples = fuzz_config(settings, firmware), Counter(), []
    for block in range(-(-wanted // BLOCK_FRAMES)):
        frames = min(BLOCK_FRAMES, wanted - block * BLOCK_FRAMES)
        measured = fuzz_block(config, firmware, seed, block, frames)
        results.keep(f"fuzz {firmware} {block}", measured)
        example = measured.pop("example")
        examples += [example] if example else []
        tally.update(measured)
    results.judge(
        [
            Figure.against(f"{firmware}_frames", tally["frames"], "1", at_least=wanted),
            *(Figure(f"{firmware}_{key}", tally[key], "1") for key in ("replies", "orders", "set_points")),
            *(Figure.against(f"{firmware}_{key}", tally[key], "1", at_most=0) for key in FAILURES),
        ],
        **{f"fuzz_{firmware}_examples": examples},
    )

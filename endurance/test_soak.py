# SPDX-License-Identifier: Apache-2.0
"""Driver and supervisor for half an hour on a bus that loses frames."""

import math
from collections import Counter

import pytest

from endurance.bus import bus_settings
from endurance.soak import Soak, memory_slope_mib_per_h
from exo_device.description import load_device
from exo_device.devices import device_file
from exo_sim.measurement import Figure

MASS_KG = 75.0
#: Kept on disk this often (s).
STRETCH_S = 30.0
#: Until buffers and figures of the recent past have filled (s).
SETTLE_S = 120.0
#: Half an hour of this slope is 1 MiB, a few percent of the process.
FLAT_MIB_PER_H = 2.0
#: The supervisor is on trial here, not its wait for the wearer's first stride.
SAFETY = {"stride_gate": False, "fade_in_s": 0.0}
#: A motor counts in steps, and the cap lies between two of them (Nm): 12 bits over +-65 Nm.
STEP_NM = 2.0 * 65.0 / 4095.0
OUTPUT_FAILURES = ("not_finite", "over_cap", "over_slew", "torque_while_off")


@pytest.mark.endurance
def test_outputs_stay_within_the_limits_and_memory_stays_flat(graph_machine, results, request):
    option = request.config.getoption
    minutes = option("--minutes")
    device = load_device(device_file(option("--device")))
    soak = Soak(
        device,
        MASS_KG,
        bus_settings(),
        results.folder,
        rate_hz=option("--bus-rate"),
        loss=option("--loss"),
        seed=option("--trial-seed"),
        safety=SAFETY,
    )
    try:
        soak.start()
        parts = [
            results.keep(f"soak {index}", soak.watch(min(STRETCH_S, 60.0 * minutes)))
            for index in range(max(1, round(60.0 * minutes / STRETCH_S)))
        ]
    finally:
        soak.close()
    counts, stops = Counter(), Counter()
    for part in parts:
        counts.update(part["counts"])
        stops.update(part["stops"])
    duration_s = sum(part["duration_s"] for part in parts)
    set_points = sum(part["set_points"] for part in parts)
    active_s = sum(part["active_share"] * part["duration_s"] for part in parts)
    caps = dict(zip(device.joint_names, device.torque_limits(MASS_KG), strict=True))
    excess = max(part["largest_nm"][joint] - cap for part in parts for joint, cap in caps.items())
    figures = [
        Figure.against("duration", duration_s / 60.0, "min", at_least=0.99 * minutes),
        Figure("set_points_per_motor", set_points / duration_s / len(caps), "Hz"),
        Figure("time_with_torque", 100.0 * active_s / duration_s, "%"),
        Figure("outputs", counts["outputs"], "1"),
        *(Figure.against(f"outputs_{name}", counts[name], "1", at_most=0) for name in OUTPUT_FAILURES),
        Figure.against("motor_torque_over_cap", max(excess, 0.0), "Nm", at_most=round(STEP_NM, 4)),
        Figure("stops", sum(stops.values()), "1"),
    ]
    memory = [row for part in parts for row in part["memory"]]
    for column, process in ((1, "device"), (2, "motors")):
        slope = memory_slope_mib_per_h(memory, column, min(SETTLE_S, 6.0 * minutes))
        if not math.isnan(slope) or minutes >= 2.0:
            figures.append(Figure.against(f"memory_slope_{process}", slope, "MiB/h", at_most=FLAT_MIB_PER_H))
        figures.append(Figure(f"memory_{process}", memory[-1][column], "MiB"))
    results.judge(figures, stops_by_cause=dict(stops))

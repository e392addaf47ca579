# SPDX-License-Identifier: Apache-2.0
"""How regular the motor bus's thread is while a policy runs."""

import sys
import time

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from endurance.can_graph import DEVICE, CanGraph
from endurance.probed_driver import TIMES_FILE
from exo_sim.measurement import Figure

PROGRAM = (sys.executable, "-m", "endurance.probed_driver")
#: After torque has come, the graph is left alone for this long (s).
SETTLE_S = 3.0
#: Of the cycles asked for, so many must have come.
RATE_SHARE = 0.99


@pytest.mark.endurance
@pytest.mark.parametrize("rate_hz", [200.0, 500.0])
def test_the_bus_keeps_its_rate_beside_a_policy(graph_machine, results, request, monkeypatch, rate_hz):
    seconds, name = request.config.getoption("--seconds"), f"bus_{rate_hz:g}Hz"
    folder = results.folder / name
    folder.mkdir()
    times_file = folder / "cycles.npy"
    monkeypatch.setenv(TIMES_FILE, str(times_file))
    with CanGraph(folder, bus_rate_hz=rate_hz, device_command=PROGRAM, patient=True) as graph:
        graph.await_torque()
        time.sleep(SETTLE_S)
        graph.await_torque()
        start_s = time.monotonic()
        time.sleep(seconds)
        end_s, status = time.monotonic(), graph.status
        graph.children.stop([DEVICE])  # it writes its times at the end
    assert times_file.is_file(), f"the device node left no times; its log is in {folder}"
    cycles_s = 1e-9 * np.load(times_file)
    chosen = cycles_s[(cycles_s >= start_s) & (cycles_s <= end_s)]
    periods_ms = 1e3 * np.diff(chosen)
    results.keep(name, {"mode": int(status.mode), "cause": status.cause, "cycles": len(chosen)})
    results.judge(
        [
            Figure.against(f"{name}_rate", len(chosen) / (end_s - start_s), "Hz", at_least=RATE_SHARE * rate_hz),
            Figure(f"{name}_period_median", float(np.median(periods_ms)), "ms"),
            Figure(f"{name}_period_p99", float(np.percentile(periods_ms, 99)), "ms"),
            Figure(f"{name}_period_max", float(periods_ms.max()), "ms"),
            Figure(f"{name}_over_two_periods", 100.0 * float((periods_ms > 2e3 / rate_hz).mean()), "%"),
            Figure(f"{name}_states", float(status.loop_rate), "Hz"),
        ]
    )

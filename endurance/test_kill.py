# SPDX-License-Identifier: Apache-2.0
"""kill -9 of each process of a running graph. When is there no torque any more?

The motors' firmware holds its last torque here: somebody has to switch it off.
"""

import time
from contextlib import nullcontext

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from endurance.bus import BusTap
from endurance.can_graph import DEVICE, GUARDIAN, LEGS, MOTORS, POLICY, CanGraph
from exo_sim.measurement import Figure

TIMES = 50
#: How long torque may outlive a process (s).
TARGET_S = 0.15
#: After a kill, torque is looked for this long (s), to see that it does not come back either.
WATCH_S = 0.4
#: Frames come every few ms (s).
FRESH_S = 0.02
#: A kill at any moment of a stride: the legs never wait for the trial, and this comes on top (s).
STRIDE_S = 0.4


@pytest.fixture(scope="module")
def graph(graph_machine, results, request):
    folder = results.folder / "kill"
    folder.mkdir()
    option = request.config.getoption
    with CanGraph(folder, bus_rate_hz=option("--bus-rate"), patient=option("--patient")) as started:
        yield started


@pytest.mark.endurance
@pytest.mark.parametrize("victim", [LEGS, POLICY, DEVICE, MOTORS, GUARDIAN])
def test_a_killed_process_leaves_no_torque(graph, results, request, dice, victim):
    times = request.config.getoption("--times") or TIMES
    rounds = [results.keep(f"kill {victim} {count}", kill(graph, victim, dice)) for count in range(times)]
    after_ms = 1e3 * np.array([measured["zero_s"] for measured in rounds])
    longest = float(after_ms.max())
    figures = [Figure(f"{victim}_zero_torque_median", float(np.median(after_ms)), "ms")]
    if request.config.getoption("--patient"):
        figures.append(Figure(f"{victim}_zero_torque_max", longest, "ms"))
    else:
        figures.append(Figure.against(f"{victim}_zero_torque_max", longest, "ms", at_most=1e3 * TARGET_S))
        figures.append(Figure(f"{victim}_too_late", int((after_ms > 1e3 * TARGET_S).sum()), "1"))
    results.judge(figures)


def kill(graph: CanGraph, victim: str, dice) -> dict:
    """One kill under torque, and what was killed started again. Raises UserError when torque does not end."""
    began_s = time.monotonic()
    graph.prepare(victim)
    # dead motors cannot say what they are asked for: then the bus is listened to
    tap = BusTap(graph.settings) if victim == MOTORS else None
    with tap or nullcontext():
        graph.await_torque()
        graph.await_prepared()
        time.sleep(dice.uniform(0.0, STRIDE_S))
        graph.await_torque()
        if tap:  # no torque on the bus is no kill under torque
            graph.wait_until(lambda: tap.age_s < FRESH_S or graph.await_torque(), "torque on the bus")
        prepared_s = time.monotonic() - began_s
        killed_s = graph.kill(victim)
        time.sleep(WATCH_S)
    if tap is None:
        graph.wait_until(lambda: not graph.motors.has_torque, "zero torque")
    zero_s = tap.asked_until_s if tap else graph.motors.zero_since(killed_s)
    status = graph.status
    graph.revive(victim)
    return {
        "zero_s": max(zero_s - killed_s, 0.0),
        "prepared_s": prepared_s,
        "cause": "" if victim == DEVICE or status is None else status.cause,
    }

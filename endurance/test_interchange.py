# SPDX-License-Identifier: Apache-2.0
"""The same policy node on three drivers, walking. Does the driver make a difference?"""

import math

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs ROS 2")

from endurance.torque_series import TorqueSeries, agreement
from endurance.walking_graph import DRIVERS, REFERENCE, WalkingGraph
from exo_sim.measurement import Figure

#: The person finds a steady gait; assistance waits for a stride and fades in over two (s, simulated time).
WARM_UP_S, FADE_S = 5.0, 10.0
#: Saving with a driver over saving with the reference: within a tenth.
SAVING_SHARE = 0.1
#: The person is in the loop and no two walks are equal: so much of it may be left after delay (Nm, RMS). A
#: thirtieth of the smallest peak.
LARGEST_RMS_NM = 0.5
#: The reference walks twice: how much two equal walks differ.
WALKS = (*DRIVERS, f"{REFERENCE}_again")


@pytest.fixture(scope="module")
def walks(graph_machine, results, request):
    """{name: what was measured}; a walk with each driver, unassisted, then assisted."""
    return {name: results.keep(f"interchange {name}", walk(name, results, request)) for name in WALKS}


def walk(name: str, results, request) -> dict:
    option = request.config.getoption
    driver = name.removesuffix("_again")
    arm_s = WARM_UP_S + option("--baseline")
    start_s, end_s = arm_s + FADE_S, arm_s + FADE_S + option("--seconds")
    with WalkingGraph(
        results.folder,
        driver,
        controller=option("--controller"),
        pace=option("--pace"),
        speed_mps=option("--speed"),
        seed=option("--trial-seed"),
    ) as graph:
        graph.wait_ready()
        graph.walk_until(arm_s)
        graph.activate()
        graph.walk_until(end_s)
        record, stops, falls, hashes = graph.record, graph.stops, graph.falls, graph.policy_hashes
    record.save(results.folder / f"{name}.npz")
    unassisted, assisted = record.power(WARM_UP_S, arm_s), record.power(start_s, end_s)
    return {
        "unassisted_w_per_kg": unassisted,
        "assisted_w_per_kg": assisted,
        "saving_percent": 100.0 * (1.0 - assisted / unassisted),
        "stops": stops,
        "falls": falls,
        "window_s": [start_s, end_s],
        **hashes,
    }


@pytest.mark.endurance
def test_the_policy_gets_the_same_files_and_parameters(walks, results):
    results.judge(
        [
            Figure.against(f"different_{key}", len({walk[key] for walk in walks.values()}), "1", at_most=1)
            for key in ("policy_configuration_sha256", "policy_code_sha256")
        ]
    )


@pytest.mark.endurance
@pytest.mark.parametrize("name", WALKS)
def test_walks_without_falls_and_stops(walks, results, name):
    walk = walks[name]
    own = agreement(_series(results, name, "command", walk), _series(results, name, "motor", walk))
    results.judge(
        [
            Figure(f"{name}_saving", walk["saving_percent"], "%"),
            Figure(f"{name}_unassisted", walk["unassisted_w_per_kg"], "W/kg"),
            Figure.against(f"{name}_falls", walk["falls"], "1", at_most=0),
            Figure.against(f"{name}_stops", walk["stops"], "1", at_most=0),
            Figure(f"{name}_motor_after_command", own.lag_ms, "ms"),
            Figure(f"{name}_motor_from_command_rms", own.rms_nm, "Nm"),
        ]
    )


@pytest.mark.endurance
@pytest.mark.parametrize("name", [name for name in WALKS if name != REFERENCE])
def test_torque_and_saving_are_those_of_the_reference(walks, results, name):
    walk, reference = walks[name], walks[REFERENCE]
    series = _series(results, name, "motor", walk)
    found = agreement(_series(results, REFERENCE, "motor", reference), series)
    saving = reference["saving_percent"]
    figures = [
        Figure(f"{name}_delay_to_{REFERENCE}", found.lag_ms, "ms"),
        Figure.against(f"{name}_torque_rms_to_{REFERENCE}", found.rms_nm, "Nm", at_most=LARGEST_RMS_NM),
        Figure(f"{name}_torque_peak", float(np.nanmax(np.abs(series.torque))), "Nm"),
        Figure.against(
            f"{name}_saving_over_{REFERENCE}",
            walk["saving_percent"] / saving if saving else math.nan,
            "1",
            at_least=1.0 - SAVING_SHARE,
            at_most=1.0 + SAVING_SHARE,
        ),
    ]
    if name == "cubemars_can":
        figures.append(Figure("cubemars_can_torque_step", WalkingGraph.torque_step_nm(), "Nm"))
    results.judge(figures)


def _series(results, name: str, which: str, walk: dict) -> TorqueSeries:
    return TorqueSeries.load(results.folder / f"{name}.npz", which, *walk["window_s"])

# SPDX-License-Identifier: Apache-2.0
"""Size of the trials, and the folder that gets what they measure."""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from exo_sim.measurement import Figure, missed, to_plain, write_run_record, write_summary

ROOT = Path(__file__).resolve().parents[1]
RESULTS = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("endurance", "size of the endurance trials")
    for name, kind, default, text in (
        ("--output", str, "runs", "folder that gets the folder of the results"),
        ("--trial-seed", int, 0, "seed of everything random"),
        ("--frames", int, 1_000_000, "fuzz: random frames for each firmware"),
        ("--minutes", float, 30.0, "soak: how long"),
        ("--loss", float, 0.05, "soak: share of the replies that get lost"),
        ("--times", int, 0, "kill, faults: of each process (default 50), of each kind (default 10)"),
        ("--bus-rate", float, 200.0, "soak, kill, faults: rate of the bus (Hz)"),
        ("--seconds", float, 60.0, "jitter, interchange: at each rate; with assistance (simulated time)"),
        ("--baseline", float, 30.0, "interchange: without assistance, before (s, simulated time)"),
        ("--generations", int, 60, "adversary: of 40 scripts, for each of its goals"),
        ("--walk-seconds", float, 90.0, "false alarms: at each speed of each person (simulated time)"),
        ("--pace", float, 1.0, "interchange: simulated over wall time, below 1 for a busy machine"),
        ("--controller", str, "spline", "interchange: assistance"),
        ("--speed", float, 1.25, "interchange: walking speed (m/s)"),
        ("--device", str, "hip_ankle", "soak: name of the exoskeleton, or its YAML"),
    ):
        group.addoption(name, type=kind, default=default, help=f"{text} (default: %(default)s)")
    group.addoption(
        "--patient", action="store_true", help="kill, faults: long watchdogs for a busy machine; times are not judged"
    )


def pytest_configure(config: pytest.Config) -> None:
    # programs of this folder run as processes, wherever pytest was started
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("endurance"):
            item.add_marker(pytest.mark.timeout(0))  # minutes to hours, as its options say


class Results:
    """What all trials of a session measured, on disk as soon as it is known.

    rounds.jsonl has one line for each round. summary.json has the figures with their targets, and is written
    anew after every trial.
    """

    def __init__(self, folder: Path, configuration: dict) -> None:
        #: Logs and settings go here as well.
        self.folder = folder
        self.figures: list[Figure] = []
        self._configuration, self._began_s = configuration, time.monotonic()

    def keep(self, trial: str, measured: dict) -> dict:
        """One round, whatever happens next. Returns it as JSON holds it."""
        plain = to_plain(measured)
        with (self.folder / "rounds.jsonl").open("a") as file:
            file.write(json.dumps({"trial": trial, "measured": plain}) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return plain

    def judge(self, figures: Sequence[Figure], **details: object) -> None:
        """Writes the figures of a trial. Raises AssertionError that names the targets that it missed."""
        self.figures += figures
        self._configuration.update(details)
        write_summary(self.folder, self.figures, self._configuration, self._configuration["trial_seed"])
        write_run_record(self.folder, time.monotonic() - self._began_s)
        wrong = [f"{each.name} is {each.value:.4g} {each.unit}, should be {each.target}" for each in missed(figures)]
        assert not wrong, "; ".join(wrong)


@pytest.fixture(scope="session")
def results(request: pytest.FixtureRequest) -> Results:
    """One folder for all trials of the session."""
    names = (
        "trial_seed frames minutes loss times bus_rate seconds walk_seconds generations baseline pace controller speed "
        "device patient"
    ).split()
    configuration = {name: request.config.getoption(f"--{name.replace('_', '-')}") for name in names}
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = Path(request.config.getoption("--output")).resolve() / f"{stamp}-endurance"
    folder.mkdir(parents=True)
    request.config.stash[RESULTS] = Results(folder, configuration)
    return request.config.stash[RESULTS]


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that depend on the seed and on the test alone."""
    return random.Random(f"{request.config.getoption('--trial-seed')} {request.node.name}")


@pytest.fixture(scope="session")
def graph_machine() -> Iterator[None]:
    """A ROS domain of its own and a CAN bus between processes; skips where there is none of both."""
    pytest.importorskip("rclpy", reason="needs ROS 2")
    from endurance.bus import bus_settings
    from exo_device.drivers import DriverError
    from exo_device.drivers.can.port import PythonCanPort

    settings = bus_settings()
    try:
        PythonCanPort(settings["interface"], settings["channel"], 1_000_000, settings["bus_options"]).close()
    except DriverError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(61 + os.getpid() % 40))
        yield


def pytest_terminal_summary(terminalreporter, config: pytest.Config) -> None:
    results = config.stash.get(RESULTS, None)
    if results is None:
        return
    terminalreporter.section("figures of the endurance trials")
    for figure in results.figures:
        met = {None: "", True: "met", False: "MISSED"}[figure.met]
        value = f"{figure.value:.4g}" if math.isnan(figure.value) or abs(figure.value) < 1e5 else f"{figure.value:.0f}"
        terminalreporter.write_line(f"{figure.name:52} {value:>10} {figure.unit:6} {figure.target or '':16} {met}")
    terminalreporter.write_line(f"written: {results.folder}")

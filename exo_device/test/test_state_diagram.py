# SPDX-License-Identifier: Apache-2.0
"""The diagram in the README is the state machine: every way that can be walked, and none that cannot."""

import re
from pathlib import Path

from exo_device.safety.modes import Fault, Mode, ModeMachine

README = Path(__file__).resolve().parents[1] / "README.md"
ARROW = re.compile(r"^\s*(\w+|\[\*\]) --> (\w+)", re.MULTILINE)

#: How to get into each mode.
PATHS = {
    "DISARMED": [],
    "ARMING": ["arm"],
    "ACTIVE": ["arm", "became_active"],
    "STOPPING": ["arm", "became_active", "disarm"],
    "STOPPING for a fault": ["arm", "became_active", "fault"],
    "FAULT": ["stop"],
}
#: Everything that can happen. The supervisor says these three in one mode only, and the machine asserts it.
ONLY_IN = {"became_active": Mode.ARMING, "give_up": Mode.ARMING, "stopped": Mode.STOPPING}


def happen(machine: ModeMachine, what: str) -> None:
    {
        "arm": machine.arm,
        "disarm": machine.disarm,
        "became_active": machine.became_active,
        "stopped": machine.stopped,
        "end": lambda: machine.end("deactivated"),
        "give_up": lambda: machine.give_up_arming("too late"),
        "fault": lambda: machine.fault(Fault.BUS_LOST, "silent"),
        "stop": lambda: machine.fault(Fault.USER_STOP, "button"),
        "shutdown": lambda: machine.fault(Fault.SHUTDOWN, "going"),
    }[what]()


def walked() -> set[tuple[str, str]]:
    """Every pair of modes that one event leads from and to."""
    pairs = {("[*]", ModeMachine().mode.name)}
    for path in PATHS.values():
        for event in ("arm", "disarm", "end", "became_active", "give_up", "stopped", "fault", "stop", "shutdown"):
            machine = ModeMachine()
            for step in path:
                happen(machine, step)
            before = machine.mode
            if ONLY_IN.get(event, before) is not before:
                continue
            happen(machine, event)
            if machine.mode is not before:
                pairs.add((before.name, machine.mode.name))
    return pairs


def test_paths_lead_where_they_say():
    for name, path in PATHS.items():
        machine = ModeMachine()
        for step in path:
            happen(machine, step)
        assert machine.mode.name == name.split()[0]


def test_the_diagram_shows_the_ways_there_are():
    diagram = re.search(r"```mermaid\nstateDiagram-v2\n(.*?)```", README.read_text(encoding="utf-8"), re.S).group(1)
    assert set(ARROW.findall(diagram)) == walked()

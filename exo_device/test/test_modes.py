# SPDX-License-Identifier: Apache-2.0
"""Modes and the ways between them; the diagram in the README shows every way that can be walked, and no other."""

import re
from pathlib import Path

import pytest

from exo_device.safety.modes import Fault, Mode, ModeMachine


@pytest.fixture
def machine():
    return ModeMachine()


def active(machine):
    machine.arm()
    machine.became_active()
    return machine


def test_arm_disarm_round(machine):
    assert machine.mode is Mode.DISARMED
    assert machine.arm().success and machine.mode is Mode.ARMING
    machine.became_active()
    assert machine.mode is Mode.ACTIVE
    assert machine.disarm().success and machine.mode is Mode.STOPPING
    machine.stopped()
    assert machine.mode is Mode.DISARMED and not machine.faults


def test_a_fault_latches_until_disarm_and_then_needs_arm(machine):
    active(machine).fault(Fault.STALE_COMMAND, "late")
    assert machine.mode is Mode.STOPPING
    assert not machine.disarm().success  # not before torque is zero
    machine.stopped()
    assert machine.mode is Mode.FAULT and machine.faults == Fault.STALE_COMMAND
    answer = machine.arm()
    assert not answer.success and "late" in answer.message and "exo/disarm" in answer.message
    assert machine.disarm().success
    assert machine.mode is Mode.DISARMED and not machine.faults
    assert machine.arm().success


def test_a_fault_during_a_wanted_stop_latches(machine):
    active(machine).disarm()
    machine.fault(Fault.MOTOR_ERROR, "broken")
    machine.stopped()
    assert machine.mode is Mode.FAULT and machine.cause == "broken"


def test_the_first_cause_stays_and_later_bits_are_added(machine):
    active(machine).fault(Fault.STALE_COMMAND, "first")
    machine.fault(Fault.BUS_LOST, "second")
    machine.stopped()
    assert machine.cause == "first"
    assert machine.faults == Fault.STALE_COMMAND | Fault.BUS_LOST
    assert any("BUS_LOST" in event.text for event in machine.pop_events())


def test_while_disarmed_only_a_persons_stop_latches(machine):
    machine.fault(Fault.STALE_STATE, "nothing runs")
    machine.fault(Fault.SHUTDOWN, "going")
    assert machine.mode is Mode.DISARMED and not machine.faults
    machine.fault(Fault.USER_STOP, "button")
    assert machine.mode is Mode.FAULT


def test_arming_twice_and_arming_while_stopping(machine):
    machine.arm()
    assert machine.arm().success and machine.mode is Mode.ARMING
    machine.became_active()
    machine.disarm()
    assert not machine.arm().success


def test_every_change_is_an_event_with_its_cause(machine):
    active(machine).fault(Fault.VELOCITY_LIMIT, "too fast")
    machine.stopped()
    events = machine.pop_events()
    assert [event.text.split("[")[0].split(":")[0].strip() for event in events] == [
        "DISARMED -> ARMING",
        "ARMING -> ACTIVE",
        "ACTIVE -> STOPPING",
        "STOPPING -> FAULT",
    ]
    assert "VELOCITY_LIMIT" in events[2].text and "too fast" in events[2].text and events[2].is_error
    assert machine.pop_events() == []


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

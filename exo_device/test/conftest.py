# SPDX-License-Identifier: Apache-2.0
"""A small device, its states and requests, and a supervisor driven by hand-made clocks."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from exo_core.time import to_ns
from exo_device.description import DeviceDescription, load_device
from exo_device.safety import Instant, Mode, SafetyConfig, SafetySupervisor
from exo_device.signals import Command, DeviceState, ImuSample

DEVICES = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "devices"
WEARER_MASS_KG = 75.0
PERIOD_NS = to_ns(0.01)
STEADY_OFFSET_NS = 123_456_789


def _share(name: str) -> None:
    """Makes a helper beside this file importable: importlib mode puts no test folder on sys.path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)


_share("emulated_odrive")


def make_state(device: DeviceDescription, stamp_ns: int = 0, sequence: int = 0, **changes) -> DeviceState:
    """A sound state at rest; changes replace fields (arrays may be given as lists)."""
    count = len(device.joint_names)
    fields = {
        "stamp_ns": stamp_ns,
        "sequence": sequence,
        "names": device.joint_names,
        "position": np.zeros(count),
        "velocity": np.zeros(count),
        "torque": np.zeros(count),
        "temperature": np.full(count, 30.0),
        "error": np.zeros(count, dtype=int),
        "bus_voltage": 48.0,
        # an accelerometer is never quite still, and a state that repeats another is a fault
        "imu": ImuSample(
            np.array([0.0, 0.0, 0.0, 1.0]), np.zeros(3), np.array([0.0, 0.0, 9.81 + 1e-4 * (sequence % 2)])
        ),
    }
    for name, value in changes.items():
        fields[name] = np.array(value) if isinstance(value, list) else value
    return DeviceState(**fields)


class Rig:
    """A supervisor with one clock for both times, states at 100 Hz and a policy that answers each."""

    def __init__(self, device: DeviceDescription, mass_kg: float = WEARER_MASS_KG, **config) -> None:
        self.device = device
        # nobody walks in most of these tests
        self.supervisor = SafetySupervisor(device, mass_kg, SafetyConfig(**{"stride_gate": False, **config}))
        self.now_ns = to_ns(1.0)
        self.sequence = 0
        self.command_sequence = 0
        self.output = None

    @property
    def now(self) -> Instant:
        return Instant(self.now_ns, self.now_ns + STEADY_OFFSET_NS)

    @property
    def mode(self) -> Mode:
        return self.supervisor.mode

    @property
    def faults(self):
        return self.supervisor.snapshot(self.now).faults

    @property
    def cause(self) -> str:
        return self.supervisor.snapshot(self.now).cause

    def command(self, asked, /, **changes) -> Command:
        """The policy's next command (Nm for every joint alike, or by joint)."""
        self.command_sequence += 1
        names = self.device.joint_names
        fields = {
            "state_stamp_ns": self.now_ns,
            "sequence": self.command_sequence,
            "names": names,
            "torque": np.broadcast_to(np.asarray(asked, dtype=float), len(names)),
        }
        return Command(**{**fields, **changes})

    def step(
        self,
        asked=0.0,
        /,
        *,
        dt_s: float = 0.01,
        has_state: bool = True,
        has_command: bool = True,
        command: Command | None = None,
        stamp_ns: int | None = None,
        **state,
    ):
        """Time passes, a state comes (stamped now), the policy answers, the motors get an output."""
        self.now_ns += to_ns(dt_s)
        if has_state:
            self.sequence += 1
            stamp_ns = self.now_ns if stamp_ns is None else stamp_ns
            if self.output is not None:  # motors that do as they are told, from one state to the next
                state.setdefault("torque", self.output.torque.copy())
            self.supervisor.on_state(make_state(self.device, stamp_ns, self.sequence, **state), self.now)
        if has_command:
            self.supervisor.on_command(command or self.command(asked), self.now)
        self.output = self.supervisor.update(self.now)
        return self.output

    def activate(self) -> "Rig":
        """Arms with zero commands, until the assistance has faded in."""
        self.step()
        assert self.supervisor.arm(self.now).success
        fade_s = self.supervisor.config.fade_in_s + self.supervisor.config.fade_delay_s
        for _ in range(2 + round(fade_s / 0.01)):
            self.step()
        assert self.mode is Mode.ACTIVE
        return self


@pytest.fixture(scope="session")
def device() -> DeviceDescription:
    return load_device(DEVICES / "hip_ankle.yaml")


@pytest.fixture
def state_of():
    return make_state


@pytest.fixture
def rig_of(device):
    return lambda **config: Rig(device, **config)


@pytest.fixture
def rig(rig_of) -> Rig:
    """Active, faded in."""
    return rig_of(fade_in_s=0.0).activate()

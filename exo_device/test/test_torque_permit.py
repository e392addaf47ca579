# SPDX-License-Identifier: Apache-2.0
"""The output for a relay or STO: what it says, and a GPIO line on a made-up chip."""

import os
from types import SimpleNamespace

import pytest

from exo_device import torque_permit
from exo_device.safety.modes import Fault
from exo_device.torque_permit import GET_LINE, LINE_REQUEST, LINE_VALUES, SET_VALUES, GpioLine, PermitError


class Chip:
    """Answers as the kernel does, and remembers the level of its one line."""

    def __init__(self, fails: bool = False) -> None:
        self.levels, self.request, self.fails = [], None, fails
        self.opened: list[str] = []

    def open_file(self, path: str, _flags: int) -> int:
        self.opened.append(path)
        return os.open(os.devnull, os.O_RDONLY)

    def ioctl(self, _file: int, what: int, data) -> None:
        if self.fails:
            raise OSError(16, "Device or resource busy")
        if what == GET_LINE:
            self.request = LINE_REQUEST.unpack(bytes(data))
            LINE_REQUEST.pack_into(data, 0, *self.request[:-1], os.open(os.devnull, os.O_RDONLY))
        elif what == SET_VALUES:
            bits, mask = LINE_VALUES.unpack(data)
            assert mask == 1
            self.levels.append(bits)

    def line(self, given: str) -> GpioLine:
        return GpioLine(given, ioctl=self.ioctl, open_file=self.open_file)


def test_the_request_is_laid_out_as_the_kernels_header_says():
    assert LINE_REQUEST.size == 592 == GET_LINE >> 16 & 0x3FFF  # an ioctl's number carries its argument's size
    assert LINE_VALUES.size == 16 == SET_VALUES >> 16 & 0x3FFF


def test_a_level_follows_what_is_permitted_and_falls_at_the_end():
    chip = Chip()
    line = chip.line("/dev/gpiochip3:17:active_low")
    assert chip.opened == ["/dev/gpiochip3"] and chip.request[0] == 17
    assert chip.request[65] == torque_permit.OUTPUT | torque_permit.ACTIVE_LOW and chip.levels == []
    for permitted in (True, True, False, True):
        line.set(permitted)
    line.close()
    line.close()
    assert chip.levels == [1, 1, 0, 1, 0]


def test_pulses_change_as_long_as_somebody_permits():
    chip = Chip()
    line = chip.line("/dev/gpiochip0:4:pulse")
    for permitted in (True, True, True, True, False, False, True):
        line.set(permitted)
    assert chip.levels == [1, 0, 1, 0, 0, 0, 1]
    line.close()


@pytest.mark.parametrize(
    "given", ["17", "/dev/gpiochip0", "/dev/sda:1", "/dev/gpiochip0:4:pulses", "/dev/gpiochip0:-1"]
)
def test_a_line_that_is_none_is_answered_with_what_to_write(given):
    with pytest.raises(PermitError, match="expected /dev/gpiochip0:17"):
        Chip().line(given)


def test_a_line_that_somebody_else_has_is_one_line():
    with pytest.raises(PermitError, match="/dev/gpiochip0:4 cannot be taken: Device or resource busy"):
        Chip(fails=True).line("/dev/gpiochip0:4")


def test_power_is_taken_away_only_when_a_stop_was_not_confirmed():
    for fault in Fault:
        assert torque_permit.is_permitted(SimpleNamespace(faults=fault)) is (fault is not Fault.STOP_NOT_CONFIRMED)
    assert not torque_permit.is_permitted(SimpleNamespace(faults=Fault.BUS_LOST | Fault.STOP_NOT_CONFIRMED))

# SPDX-License-Identifier: Apache-2.0
"""Whose commands are followed, by the publishers' own running numbers, and logging that holds nobody up."""

import errno
import threading

import pytest

pytest.importorskip("rclpy")

from exo_device.ros_interface import FORGET_S, LARGEST_STEP, CommandSource, LogThread, Source
from exo_device.safety import Event


class Listener:
    def __init__(self, *, strict: bool = False) -> None:
        self.source, self.now_s = CommandSource(strict=strict), 100.0

    def judges(self, number, publishers=2, *, is_active=True, after_s=0.01) -> Source:
        self.now_s += after_s
        return self.source.judge(number, publishers, self.now_s, is_active=is_active)

    def hears(self, number, publishers=2, **how) -> bool:
        source = self.judges(number, publishers, **how)
        assert source is not Source.UNKNOWN
        return source is Source.FOLLOWED


def test_one_publisher_is_followed_whatever_gets_lost():
    listener = Listener()
    assert all(listener.hears(number, 1) for number in (5, 6, 9, 900, 1, 2))


def test_a_second_one_is_not_followed_however_long_it_publishes():
    listener = Listener()
    for count in range(500):
        assert listener.hears(1000 + count)
        assert not listener.hears(1 + count)
        assert not listener.hears(900_000 + count)


def test_a_few_losses_beside_a_second_publisher_are_forgiven():
    listener = Listener()
    assert listener.hears(10) and listener.hears(10 + LARGEST_STEP)
    assert not listener.hears(11 + 2 * LARGEST_STEP)


def test_while_torque_is_given_nobody_takes_the_place_of_a_silent_publisher():
    listener = Listener()
    assert listener.hears(1000)
    assert not listener.hears(1, after_s=100.0)


def test_otherwise_a_publisher_that_was_started_again_is_followed_though_the_dead_one_is_still_listed():
    listener = Listener()
    assert listener.hears(1000, is_active=False)
    assert not listener.hears(1, is_active=False)
    assert listener.hears(2, is_active=False, after_s=1.1 * FORGET_S)
    assert listener.hears(3)


def test_one_that_catches_up_is_never_followed_but_cannot_be_told_apart_in_the_end():
    listener, own, other = Listener(), 1000, 1
    assert listener.hears(own)
    while (source := listener.judges(other)) is Source.FOREIGN:
        other += 3
        own += 1
        if (source := listener.judges(own)) is not Source.FOLLOWED:
            break
    assert source is Source.UNKNOWN and 0 < own - other <= LARGEST_STEP
    assert listener.judges(own + 1) is listener.judges(other + 1) is Source.UNKNOWN
    assert listener.hears(own + 2, publishers=1)  # it has gone


def test_while_two_nodes_publish_a_strict_listener_follows_neither():
    listener = Listener(strict=True)
    assert listener.hears(1000, publishers=1)
    for number in (1001, 1002, 7, None):  # the next one, as somebody writes it who wants to be followed
        assert listener.judges(number) is Source.UNKNOWN
    assert listener.hears(1003, publishers=1) and listener.hears(None, publishers=1)


def test_without_numbers_everybody_is_followed_who_is_not_strict():
    assert all(Listener().hears(None) for _ in range(3))


PATIENCE_S = 20.0


def test_lines_come_out_in_order():
    written = []
    log = LogThread(written.append)
    for number in range(50):
        log.log(Event(False, str(number)))
    assert log.close(PATIENCE_S)
    assert [event.text for event in written] == [str(number) for number in range(50)]


def test_a_log_that_hangs_keeps_nobody_waiting():
    is_back = threading.Event()
    log = LogThread(lambda event: is_back.wait(), backlog=10)
    for number in range(1000):  # returns, or the test would hang here
        log.log(Event(True, str(number)))
    assert 989 <= log.lost <= 990
    assert log.close(0.05) is False
    is_back.set()


def test_a_full_disk_ends_nothing():
    written, full = [], [True]

    def write(event: Event) -> None:
        if full[0]:
            full[0] = False
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(event.text)

    log = LogThread(write)
    log.log(Event(True, "lost"))
    log.log(Event(True, "kept"))
    assert log.close(PATIENCE_S) is False
    assert written == ["kept"] and log.lost == 1

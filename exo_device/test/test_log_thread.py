# SPDX-License-Identifier: Apache-2.0
"""Logging never holds up who logs."""

import errno
import threading

from exo_device.log_thread import LogThread
from exo_device.safety import Event

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

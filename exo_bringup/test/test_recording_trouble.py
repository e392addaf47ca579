# SPDX-License-Identifier: Apache-2.0
"""A recorder that is killed, a disk that is full, a disk that is slow: what is lost, and who notices."""

import signal
import subprocess
import sys
import threading

import pytest
from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader

from exo_bringup.recording import FLUSH_PERIOD_S, BackgroundRecording, Recording

PATIENCE_S = 60.0
RATE_HZ = 100
SCHEMA = "float64 value\n"
#: CDR of one float64: encapsulation header and eight bytes that do not compress.
HEADER = b"\0\1\0\0"

#: A recorder with a clock of its own: 10 ms a message. Its end is the script's last line.
CHILD = """
import os, resource, signal, sys
from pathlib import Path
from exo_bringup.recording import BackgroundRecording
from exo_bringup.recording import Recording
now = [0.0]
recording = Recording(Path(sys.argv[1]), clock=lambda: now[0])
recording.add_topic("/value", "test_msgs/msg/Value", "float64 value")
def write(recording, count):
    for number in range(count):
        now[0] += 0.01
        recording.write("/value", b"\\0\\1\\0\\0" + os.urandom(1000), number, number)
"""


def child(path, script: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", CHILD + script, str(path)], capture_output=True, text=True, timeout=PATIENCE_S
    )


def readable(path) -> list[int]:
    """Numbers of the messages that a file without an end still gives."""
    numbers = []
    with path.open("rb") as stream:
        try:
            for _, _, message in NonSeekingReader(stream).iter_messages(log_time_order=False):
                numbers.append(message.sequence)
        except (McapError, EOFError):
            pass
    return numbers


def test_a_killed_recorder_loses_at_most_the_last_second(tmp_path):
    path = tmp_path / "r.mcap"
    done = child(path, "write(recording, 1234); os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL, done.stderr
    numbers = readable(path)
    assert numbers == list(range(len(numbers)))
    assert 1234 - FLUSH_PERIOD_S * RATE_HZ - 1 <= len(numbers) <= 1234


def test_messages_that_stop_coming_are_in_the_file_soon(tmp_path):
    now = [0.0]
    recording = Recording(tmp_path / "r.mcap", clock=lambda: now[0])
    recording.add_topic("/value", "test_msgs/msg/Value", SCHEMA)
    recording.write("/value", HEADER + bytes(8), 1, 1)
    assert readable(recording.path) == []
    now[0] = 2.0 * FLUSH_PERIOD_S
    recording.flush_if_due()
    assert readable(recording.path) == [0]


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path):
    path = tmp_path / "r.mcap"
    done = child(
        path,
        """
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
said, plain = [], recording.write
def paced(*message):                      # time passes as the disk is written to, however late that is
    now[0] += 0.01
    plain(*message)
recording.write = paced
background = BackgroundRecording(recording, said.append)
for number in range(2000):
    background.write("/value", b"\\0\\1\\0\\0" + os.urandom(1000), number, number)
print(background.close(), background.failure, len(said), background.lost > 0)
print(said[0])
""",
    )
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "False File too large 1 True"
    assert "r.mcap" in second and "can be read" in second
    numbers = readable(path)
    assert 100 < len(numbers) < 400 and numbers == list(range(len(numbers)))
    assert path.stat().st_size <= 300_000


class HangingRecording:
    """A recording on a disk that does not come back."""

    path = "r.mcap"

    def __init__(self) -> None:
        self.is_back = threading.Event()
        self.written = 0

    def write(self, *_) -> None:
        self.is_back.wait()
        self.written += 1

    def flush_if_due(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_disk_that_hangs_keeps_nobody_waiting():
    said, recording = [], HangingRecording()
    background = BackgroundRecording(recording, said.append, backlog=100)
    for number in range(2000):  # returns, or the test would hang here
        background.write("/value", HEADER, number, number)
    assert 1899 <= background.lost <= 1900  # the backlog, and perhaps the one in hand
    assert len(said) == 1 and "too slow" in said[0]
    assert background.close(timeout_s=0.05) is False
    recording.is_back.set()
    assert background.close(PATIENCE_S) is False  # something is missing
    assert recording.written == 2000 - background.lost


def test_what_was_handed_over_is_written_when_the_disk_keeps_up(tmp_path):
    recording = Recording(tmp_path / "r.mcap")
    recording.add_topic("/value", "test_msgs/msg/Value", SCHEMA)
    background = BackgroundRecording(recording, pytest.fail)
    threads = [
        threading.Thread(target=lambda: [background.write("/value", HEADER + bytes(8), n, n) for n in range(500)])
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert background.close(PATIENCE_S) and background.lost == 0
    assert len(readable(tmp_path / "r.mcap")) == 1000

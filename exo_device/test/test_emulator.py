# SPDX-License-Identifier: Apache-2.0
"""Emulated motors: what they answer, what they turn, what goes wrong with them, and the process."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from exo_device.drivers import make_driver, read_driver_config
from exo_device.drivers.can.port import Frame, PythonCanPort
from exo_device.drivers.cubemars_can.codec import MitCommand
from exo_device.emulator import EmulatedBus, EmulatorError, Fault, FaultPlan, Followed, SpringDamper, main
from exo_device.emulator.command_line import load_config

EXAMPLE = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "drivers" / "cubemars_example.yaml"
CONFIG = make_driver("cubemars_can", read_driver_config(EXAMPLE, "cubemars_can")).config
PATIENCE_S = 30.0
HIP = "hip_flexion_r"
CODEC = CONFIG.motors[HIP].codec()


class Bench:
    """A bus with followed joints; the right hip's motor (id 1, sign +1) is the one spoken to."""

    def __init__(self, *faults: str, **reply) -> None:
        plan = FaultPlan([Fault.parse(fault) for fault in faults])
        self.bus = EmulatedBus(CONFIG, lambda joint: Followed(0.3, 1.0), plan, **reply)
        self.motor, self.now = self.bus.motors[HIP], 0.0

    def send(self, frame: Frame, pause: float = 0.0025) -> list[Frame]:
        """The replies that have gone out by the next frame's time."""
        self.bus.on_frame(frame, self.now)
        self.now += pause
        replies = []
        while (reply := self.bus.pop_one(self.now - 1e-9)) is not None:
            replies.append(reply)
        return replies

    def ask(self, torque: float = 0.0, **pause) -> list[Frame]:
        return self.send(CODEC.command(MitCommand(torque=torque)), **pause)


def test_a_motor_that_is_off_answers_and_gives_no_torque():
    bench = Bench()
    reply = CODEC.decode_reply(*bench.ask(5.0))
    assert bench.motor.torque == 0.0 and not bench.motor.is_on
    assert reply.position == pytest.approx(0.3, abs=1e-3) and reply.velocity == pytest.approx(1.0, abs=0.03)


def test_enable_gives_torque_and_disable_takes_it():
    bench = Bench()
    assert len(bench.send(CODEC.enable())) == 1 and bench.motor.is_on and bench.motor.torque == 0.0
    reply = CODEC.decode_reply(*bench.ask(5.0))
    assert bench.motor.torque == pytest.approx(5.0, abs=0.04) and reply.torque == pytest.approx(5.0, abs=0.08)
    bench.send(CODEC.disable())
    assert bench.motor.torque == 0.0 and not bench.motor.is_on


def test_eight_zero_bytes_set_the_motor_off_at_full_torque():
    bench = Bench()
    bench.send(CODEC.enable())
    bench.send(Frame(1, bytes(8)))
    assert bench.motor.torque == -65.0


def test_gains_are_obeyed():
    """A frame in the wrong order is dangerous here as on the bench."""
    bench = Bench()
    bench.send(CODEC.enable())
    bench.send(CODEC.command(MitCommand(position=0.5, velocity=0.0, kp=10.0, kd=2.0)))
    assert bench.motor.torque == pytest.approx(10.0 * (0.5 - 0.3) - 2.0 * 1.0, abs=0.1)


def test_zeroing_takes_a_second_of_silence():
    bench = Bench()
    assert bench.send(CODEC.zero()) == [] and bench.ask() == []
    bench.now += 1.0
    assert CODEC.decode_reply(*bench.ask()).position == pytest.approx(0.0, abs=1e-3)


def test_frames_for_nobody_are_not_answered():
    bench = Bench()
    for frame in (Frame(9, bytes(8)), Frame(1, bytes(7)), Frame(1, bytes(8), is_extended=True)):
        assert bench.send(frame) == []


def test_firmware_with_a_watchdog_drops_the_torque_and_firmware_that_holds_does_not():
    for fault, left in ((), 0.0), (("hold",), pytest.approx(5.0, abs=0.04)):
        bench = Bench(*fault)
        bench.send(CODEC.enable())
        bench.ask(5.0)
        bench.bus.advance(bench.now + 5.0)
        assert bench.motor.torque == left


def count_of_replies(bench, asks=200) -> int:
    return sum(len(bench.ask()) for _ in range(asks))


@pytest.mark.parametrize(
    "faults, least, most",
    [
        ((), 200, 200),
        (("dropped,value=0.25",), 120, 180),
        (("dropped",), 0, 0),
        (("duplicated,value=3",), 600, 600),
        (("dropped:ankle_angle_r",), 200, 200),
        (("bus_off,for=0.1",), 155, 165),
        (("late,value=0.1",), 155, 165),
    ],
)
def test_replies_get_lost_late_or_multiplied(faults, least, most):
    assert least <= count_of_replies(Bench(*faults)) <= most


@pytest.mark.parametrize(
    "fault, field, value",
    [
        ("error", "error", 3),
        ("error,value=7", "error", 7),
        ("over_temperature", "temperature", 110.0),
        ("wrap,value=1.5", "position", pytest.approx(1.8, abs=1e-3)),
        ("wrap,value=12.4", "position", pytest.approx(0.3 + 12.4 - 25.0, abs=1e-3)),
    ],
)
def test_what_a_reply_says(fault, field, value):
    bench = Bench(fault)
    assert getattr(CODEC.decode_reply(*bench.ask()), field) == value


def test_wrong_id_belongs_to_nobody():
    (reply,) = Bench("wrong_id").ask()
    assert reply.data[0] == 99 and CODEC.decode_reply(reply) is None


def test_stale_replies_stay_as_they_were_until_the_fault_is_over():
    bench = Bench("stale,for=0.01")
    first = bench.ask()
    bench.motor.mechanics.position = 0.9
    assert bench.ask() == first
    bench.now = 0.02
    assert CODEC.decode_reply(*bench.ask()).position == pytest.approx(0.9, abs=1e-3)


def test_reset_switches_off_with_a_new_zero_and_a_pause():
    bench = Bench("reset,value=0.05,at=0.1,for=1")
    bench.send(CODEC.enable())
    bench.ask(5.0)
    bench.now = 0.11
    assert bench.ask(5.0) == [] and not bench.motor.is_on
    bench.now = 0.2
    reply = CODEC.decode_reply(*bench.ask(5.0))
    assert reply.position == pytest.approx(0.0, abs=1e-3) and bench.motor.torque == 0.0


def test_spring_settles_where_torque_and_stiffness_say():
    spring = SpringDamper(stiffness_nm_per_rad=20.0)
    for _ in range(400):
        spring.advance(0.01, 5.0)
    assert spring.position == pytest.approx(0.25, abs=1e-4)
    assert spring.velocity == pytest.approx(0.0, abs=1e-4)


def test_swing_follows_its_frequency():
    spring = SpringDamper(stiffness_nm_per_rad=2000.0, damping_nms_per_rad=30.0, swing_rad=0.3, swing_hz=1.0)
    spring.advance(2.25, 0.0)
    assert spring.position == pytest.approx(0.3, abs=0.03)
    spring.advance(0.5, 0.0)
    assert spring.position == pytest.approx(-0.3, abs=0.03)


@pytest.mark.parametrize(
    "text, fault",
    [
        ("dropped", Fault("dropped", None, 1.0, 10.0)),
        ("late:ankle_angle_r,value=0.02,at=5,for=2", Fault("late", "ankle_angle_r", 0.02, 15.0, 2.0)),
    ],
)
def test_faults_are_written_in_one_line(text, fault):
    assert Fault.parse(text, 10.0) == fault


@pytest.mark.parametrize(
    "text, word",
    [("fire", "known: dropped, late"), ("dropped,share=1", "share=1"), ("dropped,value=much", "value=much")],
)
def test_a_fault_that_cannot_be_is_answered_with_what_can(text, word):
    with pytest.raises(EmulatorError, match=word):
        Fault.parse(text)


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["cubemars"], "--config"),
        (["cubemars", "--config", "/nowhere.yaml"], "/nowhere.yaml"),
        (["cubemars", "--config", str(EXAMPLE), "--interface", "pigeon"], "pigeon"),
        (["cubemars", "--config", str(EXAMPLE), "--fault", "fire"], "fire"),
    ],
)
def test_bad_arguments_are_answered_in_one_line(capsys, arguments, word):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert word in said and said.count("\n") == 1


def test_multicast_needs_no_channel():
    assert load_config(EXAMPLE, "udp_multicast", None).channel == "239.74.163.2"
    assert load_config(EXAMPLE, "udp_multicast", "239.1.1.1").channel == "239.1.1.1"
    assert load_config(EXAMPLE, None, None).channel == "can0"


def test_process_answers_over_multicast_takes_faults_and_ends_on_a_signal(tmp_path):
    settings = read_driver_config(EXAMPLE, "cubemars_can")
    port_number = int(os.environ["EXO_TEST_PORT"])
    settings.update(interface="udp_multicast", channel="239.74.163.75", bus_options={"port": port_number})
    path = tmp_path / "driver.yaml"
    path.write_text(yaml.safe_dump({"driver": "cubemars_can", **settings}))
    try:
        port = PythonCanPort("udp_multicast", "239.74.163.75", 1_000_000, {"port": port_number})
    except ValueError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "exo_device.emulator", "cubemars", "--config", str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert "hip_flexion_r (1)" in process.stdout.readline()

        def answer():
            end = time.monotonic() + PATIENCE_S
            while time.monotonic() < end:
                port.send(CODEC.command(MitCommand()))
                frame = port.receive(0.2)
                while frame is not None:
                    reply = CODEC.decode_reply(frame)
                    if reply is not None:
                        return reply
                    frame = port.receive(0.05)
            raise AssertionError("no answer")

        assert math.isfinite(answer().position) and answer().error == 0
        process.stdin.write("error:hip_flexion_r,value=5\n")
        process.stdin.flush()
        assert "error:hip_flexion_r" in process.stdout.readline()
        end = time.monotonic() + PATIENCE_S
        while answer().error != 5:
            assert time.monotonic() < end
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
        port.close()

# SPDX-License-Identifier: Apache-2.0
"""Frames of AK motors: golden frames, round trips over the whole range, quantisation, what is not a frame."""

import math

import numpy as np
import pytest

from exo_device.drivers.can.port import Frame
from exo_device.drivers.cubemars_can.codec import (
    ClassicCodec,
    MitCommand,
    MitRange,
    MotorConstants,
    Special,
    V3Codec,
    decode,
    encode,
)

AK80_9 = MitRange(12.5, 50.0, 18.0)
AK60_6 = MitRange(12.5, 45.0, 15.0)
AK60_6_V3 = MitRange(12.56, 60.0, 12.0)
CONSTANTS = MotorConstants(pole_pairs=14, gear_ratio=6.0, torque_constant_nm_per_a=0.11)


def classic(ranges=AK80_9, motor_id=1, **reply):
    return ClassicCodec(motor_id, ranges, **reply)


def v3(motor_id=2):
    return V3Codec(motor_id, AK60_6_V3, CONSTANTS)


@pytest.mark.parametrize(
    "ranges, command, expected",
    [
        (AK80_9, MitCommand(), "7fff7ff0000007ff"),
        (AK80_9, MitCommand(torque=5.0), "7fff7ff000000a38"),
        (AK80_9, MitCommand(1.0, 2.0, 50.0, 1.0, 3.0), "8a3c851199333954"),
        (AK60_6, MitCommand(1.0, 2.0, 50.0, 1.0, 3.0), "8a3c85a199333999"),
    ],
)
def test_golden_frames_of_classic_firmware(ranges, command, expected):
    frame = classic(ranges, 9).command(command)
    assert frame == Frame(9, bytes.fromhex(expected), is_extended=False)


def test_special_frames_of_classic_firmware():
    codec = classic(motor_id=3)
    assert codec.enable() == Frame(3, bytes.fromhex("fffffffffffffffc"))
    assert codec.disable() == Frame(3, bytes.fromhex("fffffffffffffffd"))
    assert codec.zero() == Frame(3, bytes.fromhex("fffffffffffffffe"))
    specials = [codec.decode_command(frame) for frame in (codec.enable(), codec.disable(), codec.zero())]
    assert specials == [Special.ENABLE, Special.DISABLE, Special.ZERO]


def test_eight_zero_bytes_are_full_speed_backwards_and_not_zero():
    command = classic().decode_command(Frame(1, bytes(8)))
    assert (command.position, command.velocity, command.torque) == (-12.5, -50.0, -18.0)
    assert (command.kp, command.kd) == (0.0, 0.0)


def test_v3_command_is_extended_and_begins_with_the_gains():
    # by hand: kp 50 -> 409 = 0x199, kd 1 -> 819 = 0x333, p 1 -> 35376 = 0x8a30, v 2 -> 2115 = 0x843,
    # t 3 -> 2559 = 0x9ff
    frame = v3(0x68).command(MitCommand(1.0, 2.0, 50.0, 1.0, 3.0))
    assert frame == Frame(0x868, bytes.fromhex("1993338a308439ff"), is_extended=True)
    assert v3(0x68).command(MitCommand()).data == bytes.fromhex("0000007fff7ff7ff")


def test_v3_reply_is_in_degrees_electrical_speed_and_current():
    # by hand: 90.0 degrees, -4200 erpm, 2.5 A, 41 degC, code 2
    frame = Frame(0x2902, bytes.fromhex("0384fe5c00fa2902"), is_extended=True)
    reply = v3().decode_reply(frame)
    assert reply.position == pytest.approx(math.pi / 2)
    assert reply.velocity == pytest.approx(-4200.0 / 14 / 6 * 2 * math.pi / 60)
    assert reply.torque == pytest.approx(2.5 * 0.11 * 6.0)
    assert (reply.motor_id, reply.temperature, reply.error) == (2, 41.0, 2)


def test_v3_has_no_enable_and_is_switched_off_by_zero_current():
    codec = v3()
    assert codec.enable() is None
    assert codec.disable() == Frame(0x102, bytes(4), is_extended=True)
    assert codec.zero() == Frame(0x502, b"\x00", is_extended=True)
    assert codec.decode_command(codec.disable()) is Special.DISABLE
    assert codec.decode_command(codec.zero()) is Special.ZERO


@pytest.mark.parametrize(
    "bits, low, high",
    [
        (16, -12.5, 12.5),
        (16, -12.56, 12.56),
        (12, -50.0, 50.0),
        (12, -65.0, 65.0),
        (12, -18.0, 18.0),
        (12, 0.0, 500.0),
        (12, 0.0, 5.0),
    ],
)
def test_every_code_survives_a_round_trip(bits, low, high):
    assert all(encode(decode(code, low, high, bits), low, high, bits) == code for code in range(1 << bits))


def test_values_beyond_the_range_are_limited_and_no_number_is_refused():
    assert encode(99.0, -1.0, 1.0, 12) == 4095 and encode(-99.0, -1.0, 1.0, 12) == 0
    for value in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError):
            encode(value, -1.0, 1.0, 12)


@pytest.mark.parametrize("codec", [classic(), classic(AK60_6), v3()], ids=["ak80-9", "ak60-6", "v3"])
def test_commands_round_trip_within_one_step(codec):
    ranges, generator = codec.ranges, np.random.default_rng(1)
    for p, v, t in generator.uniform(-1.0, 1.0, (500, 3)):
        asked = MitCommand(
            p * ranges.position_rad, v * ranges.velocity_rad_s, 250.0 + 200 * t, 2.5, t * ranges.torque_nm
        )
        got = codec.decode_command(codec.command(asked))
        spans = {
            "position": 2 * ranges.position_rad,
            "velocity": 2 * ranges.velocity_rad_s,
            "torque": 2 * ranges.torque_nm,
            "kp": 500.0,
            "kd": 5.0,
        }
        for field, span in spans.items():
            bits = 16 if field == "position" else 12
            lost = getattr(asked, field) - getattr(got, field)
            assert -1e-5 <= lost <= span / ((1 << bits) - 1)
        assert codec.applied_torque(asked.torque) == got.torque


@pytest.mark.parametrize(
    "codec", [classic(), classic(AK60_6, temperature_offset_c=-40.0), v3()], ids=["ak80-9", "offset", "v3"]
)
def test_replies_round_trip_within_one_step(codec):
    position_step, velocity_step, torque_step = codec.reply_steps
    for p, v, t, error in zip(*np.random.default_rng(2).uniform(-1.0, 1.0, (3, 500)), range(500), strict=True):
        values = (12.4 * p, 40.0 * v, 11.0 * t)
        reply = codec.decode_reply(codec.reply(*values, temperature=35.0, error=error % 256))
        assert abs(reply.position - values[0]) <= position_step
        assert abs(reply.velocity - values[1]) <= velocity_step
        assert abs(reply.torque - values[2]) <= torque_step
        assert (reply.temperature, reply.error) == (35.0, error % 256)


def test_position_of_a_reply_wraps_around_at_the_ends_of_its_field():
    for codec, half in ((classic(), 12.5), (v3(), math.radians(3276.8))):
        inside = codec.decode_reply(codec.reply(half - 0.1, 0.0, 0.0, 25.0, 0)).position
        beyond = codec.decode_reply(codec.reply(half + 0.1, 0.0, 0.0, 25.0, 0)).position
        assert inside == pytest.approx(half - 0.1, abs=2e-3)
        assert beyond == pytest.approx(-half + 0.1, abs=2e-3)
        assert codec.position_span == pytest.approx(2.0 * half)


def test_short_replies_have_neither_temperature_nor_error():
    codec = classic(reply_bytes=6)
    frame = codec.reply(0.5, 1.0, -2.0, 80.0, 7)
    assert len(frame.data) == 6
    reply = codec.decode_reply(frame)
    assert reply.position == pytest.approx(0.5, abs=1e-3)
    assert math.isnan(reply.temperature) and reply.error == 0


@pytest.mark.parametrize("can_id", [0, 1, 77])
def test_a_classic_reply_is_known_by_its_first_byte(can_id):
    data = classic(motor_id=5).reply(0.0, 0.0, 0.0, 25.0, 0).data
    assert classic(motor_id=5).decode_reply(Frame(can_id, data)).motor_id == 5
    assert classic(motor_id=6).decode_reply(Frame(can_id, data)) is None


def test_a_given_identifier_keeps_other_devices_on_the_bus_apart():
    codec = classic(motor_id=5, reply_can_id=0)
    data = codec.reply(0.0, 0.0, 0.0, 25.0, 0).data
    assert codec.decode_reply(Frame(0, data)) is not None and codec.decode_reply(Frame(0x321, data)) is None


def test_frames_of_another_kind_are_none():
    codec, other = classic(), v3()
    good = codec.reply(0.0, 0.0, 0.0, 25.0, 0)
    for data in (b"", good.data[:5], good.data[:7]):
        assert codec.decode_reply(Frame(0, data)) is None
    assert codec.decode_reply(Frame(0, good.data, is_extended=True)) is None
    assert codec.decode_command(Frame(2, bytes(8))) is None
    assert codec.decode_command(Frame(1, bytes(7))) is None
    assert other.decode_reply(Frame(0x2903, bytes(8), is_extended=True)) is None
    assert other.decode_reply(Frame(0x2902, bytes(8))) is None
    assert other.decode_command(Frame(0x802, bytes(7), is_extended=True)) is None
    assert other.decode_command(Frame(0x402, bytes(8), is_extended=True)) is None


def test_no_command_of_ours_looks_like_a_reply():
    for codec in (classic(motor_id=126), v3()):
        frames = [codec.command(MitCommand(torque=torque)) for torque in (-18.0, 0.0, 18.0)]
        frames += [frame for frame in (codec.enable(), codec.disable(), codec.zero()) if frame]
        assert all(codec.decode_reply(frame) is None for frame in frames)
        assert all(codec.decode_command(frame) is not None for frame in frames)


def test_random_frames_never_raise_and_never_name_another_motor():
    generator = np.random.default_rng(3)
    codecs = [classic(motor_id=number) for number in (1, 2, 3)] + [v3(4)]
    for _ in range(20_000):
        size = int(generator.integers(0, 9))
        is_extended = bool(generator.integers(0, 2))
        can_id = int(generator.integers(0, 1 << (29 if is_extended else 11)))
        frame = Frame(can_id, generator.bytes(size), is_extended)
        for codec in codecs:
            reply = codec.decode_reply(frame)
            codec.decode_command(frame)
            if reply is not None:
                assert reply.motor_id == codec.motor_id
                assert math.isfinite(reply.position + reply.velocity + reply.torque)

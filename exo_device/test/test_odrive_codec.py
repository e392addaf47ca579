# SPDX-License-Identifier: Apache-2.0
"""CANSimple frames against the MIT-licensed DBC files of the package odrive-can, read by cantools."""

import math
from importlib.resources import files

import pytest
from emulated_odrive import EmulatedAxis

from exo_device.drivers.odrive_can import AxisConfig, codec
from exo_device.drivers.odrive_can.codec import AxisState
from exo_device.drivers.odrive_can.driver import NOT_ON, START_S, Axis

cantools = pytest.importorskip("cantools")
pytest.importorskip("odrive_can")
NODE = 5
CONFIG = AxisConfig(node_id=NODE, sign=-1, gear_ratio=8.0, joint_offset_rad=0.2)


@pytest.fixture(scope="module", params=["0.5.6", "0.6.10"])
def dbc(request):
    """What ODrive's messages look like, for both firmware lines."""
    path = files("odrive_can") / "dbc" / f"odrive-cansimple-{request.param}.dbc"
    return cantools.database.load_file(str(path))


def decoded(dbc, frame) -> tuple[str, dict]:
    message = dbc.get_message_by_frame_id(frame.can_id)
    assert not frame.is_extended and len(frame.data) == message.length
    signals = dbc.decode_message(frame.can_id, frame.data, decode_choices=False)
    return message.name.removeprefix(f"Axis{NODE}_"), signals


@pytest.mark.parametrize("torque", [0.0, 1.5, -7.25, 0.1])
def test_torque(dbc, torque):
    name, signals = decoded(dbc, codec.set_torque(NODE, torque))
    assert name == "Set_Input_Torque" and signals == {"Input_Torque": pytest.approx(torque)}
    assert codec.torque_as_sent(torque) == signals["Input_Torque"]


@pytest.mark.parametrize("torque", [math.nan, math.inf])
def test_no_number_is_no_torque(torque):
    with pytest.raises(ValueError):
        codec.set_torque(NODE, torque)


def test_states_and_mode(dbc):
    for state in AxisState:
        name, signals = decoded(dbc, codec.set_state(NODE, state))
        assert (name, signals) == ("Set_Axis_State", {"Axis_Requested_State": int(state)})
    name, signals = decoded(dbc, codec.set_torque_mode(NODE))
    assert (name, signals) == ("Set_Controller_Mode", {"Control_Mode": 1, "Input_Mode": 1})


def sent_by_odrive(dbc, name: str, **signals) -> codec.Frame:
    """A message as the DBC encodes it; signals not given are 0."""
    message = dbc.get_message_by_name(f"Axis{NODE}_{name}")
    values = {signal.name: 0 for signal in message.signals}
    data = message.encode({**values, **signals}, strict=False)
    frame = codec.Frame(message.frame_id, data)
    assert codec.address_of(frame)[0] == NODE
    return frame


def test_what_an_axis_says_is_understood(dbc):
    axis = Axis("hip_flexion_r", CONFIG, 0.0)
    assert axis.take(sent_by_odrive(dbc, "Get_Bus_Voltage_Current", Bus_Voltage=47.5, Bus_Current=1.0), 0.5, 6)
    assert axis.newest is None  # where the joint is has not been said yet
    assert axis.take(sent_by_odrive(dbc, "Get_Encoder_Estimates", Pos_Estimate=2.0, Vel_Estimate=-4.0), 1.0, 7)
    assert axis.newest.position == pytest.approx(-2.0 * 2.0 * math.pi / 8.0 + 0.2)
    assert axis.newest.velocity == pytest.approx(4.0 * 2.0 * math.pi / 8.0)
    assert axis.newest.bus_voltage == pytest.approx(47.5)
    assert (axis.newest.ros_ns, axis.silence_s(1.5)) == (7, 0.5)
    axis.take(sent_by_odrive(dbc, "Heartbeat", Axis_Error=0x2000, Axis_State=1), 1.0, 7)
    assert axis.error == 0x2000


def test_torque_and_temperature_of_the_newer_firmware(dbc):
    axis = Axis("hip_flexion_r", CONFIG, 0.0)
    if f"Axis{NODE}_Get_Torques" not in {message.name for message in dbc.messages}:
        axis.frames(4.0, True, 0.0)
        assert axis.torque == 4.0  # not measured: what was asked for
        return
    axis.take(sent_by_odrive(dbc, "Get_Torques", Torque_Target=1.0, Torque_Estimate=0.5), 1.0, 7)
    assert axis.torque == pytest.approx(-4.0)
    axis.take(sent_by_odrive(dbc, "Get_Temperature", FET_Temperature=40.0, Motor_Temperature=60.0), 1.0, 7)
    assert axis.temperature == pytest.approx(60.0)
    axis.take(sent_by_odrive(dbc, "Get_Temperature", FET_Temperature=40.0, Motor_Temperature=math.nan), 1.0, 7)
    assert axis.temperature == pytest.approx(40.0)


def test_the_emulated_axis_sends_what_the_dbc_says(dbc):
    axis = EmulatedAxis(CONFIG)
    axis.position, axis.error = 0.2 - 2.0 * math.pi / 8.0, 3
    known = {message.frame_id for message in dbc.messages}
    said = dict(decoded(dbc, frame) for frame in axis.report() if frame.can_id in known)
    assert said["Get_Encoder_Estimates"]["Pos_Estimate"] == pytest.approx(1.0)
    assert said["Heartbeat"]["Axis_Error"] == 3 and said["Heartbeat"]["Axis_State"] == AxisState.IDLE


def test_frames_too_short_or_foreign_change_nothing():
    axis = Axis("hip_flexion_r", CONFIG, 0.0)
    for command in range(32):
        for length in range(5):
            axis.take(codec.frame_of(NODE, command, bytes(length)), 1.0, 7)
    assert not axis.take(codec.frame_of(NODE + 1, codec.Command.GET_ENCODER_ESTIMATES, bytes(8)), 1.0, 7)
    assert axis.newest is None and axis.error == 0
    assert codec.address_of(codec.Frame(NODE << 5, b"", is_extended=True)) is None


def test_an_axis_that_does_not_switch_on_is_an_error():
    axis, motor = Axis("hip_flexion_r", CONFIG, 0.0), EmulatedAxis(CONFIG)
    heartbeat = motor.heartbeat()
    axis.frames(0.0, True, 0.0)
    axis.take(heartbeat, 0.5 * START_S, 7)
    assert axis.error == 0
    axis.take(heartbeat, 1.1 * START_S, 7)
    assert axis.error == NOT_ON
    for frame in axis.frames(2.0, True, 2.0):
        motor.on_frame(frame)
    axis.take(motor.heartbeat(), 2.1, 7)
    assert axis.error == 0 and motor.torque == pytest.approx(2.0)
    for frame in axis.off_frames():
        motor.on_frame(frame)
    assert motor.torque == 0.0 and not motor.is_on


def test_node_ids_differ():
    from exo_device.drivers import DriverError, make_driver

    axis = CONFIG.model_dump()
    with pytest.raises(DriverError, match="same node_id"):
        make_driver("odrive_can", {"interface": "virtual", "channel": "x", "axes": {"a": axis, "b": axis}})


def test_the_example_settings_make_a_driver():
    from pathlib import Path

    from exo_device.drivers import make_driver
    from exo_device.drivers.config_file import read_driver_config

    folder = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "drivers"
    driver = make_driver("odrive_can", read_driver_config(folder / "odrive_example.yaml", "odrive_can"))
    assert len(driver.config.axes) == 4

# SPDX-License-Identifier: Apache-2.0
"""CANSimple frames against the MIT-licensed DBC files of the package odrive-can, read by cantools."""

import math
import struct
from importlib.resources import files

import pytest
from emulated_odrive import EmulatedAxis

from exo_device.drivers import DriverError, make_driver, odrive_can
from exo_device.drivers.odrive_can import (
    FOREIGN_MASTER,
    HEARTBEAT_TIMEOUT_S,
    NO_HEARTBEAT,
    NOT_ON,
    START_S,
    Axis,
    AxisConfig,
    AxisState,
    WatchdogEndpoints,
)

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
    name, signals = decoded(dbc, odrive_can.set_torque(NODE, torque))
    assert name == "Set_Input_Torque" and signals == {"Input_Torque": pytest.approx(torque)}
    assert odrive_can.torque_as_sent(torque) == signals["Input_Torque"]


@pytest.mark.parametrize("torque", [math.nan, math.inf])
def test_no_number_is_no_torque(torque):
    with pytest.raises(ValueError):
        odrive_can.set_torque(NODE, torque)


def test_states_and_mode(dbc):
    for state in AxisState:
        name, signals = decoded(dbc, odrive_can.set_state(NODE, state))
        assert (name, signals) == ("Set_Axis_State", {"Axis_Requested_State": int(state)})
    name, signals = decoded(dbc, odrive_can.set_torque_mode(NODE))
    assert (name, signals) == ("Set_Controller_Mode", {"Control_Mode": 1, "Input_Mode": 1})


def sent_by_odrive(dbc, name: str, **signals) -> odrive_can.Frame:
    """A message as the DBC encodes it; signals not given are 0."""
    message = dbc.get_message_by_name(f"Axis{NODE}_{name}")
    values = {signal.name: 0 for signal in message.signals}
    data = message.encode({**values, **signals}, strict=False)
    frame = odrive_can.Frame(message.frame_id, data)
    assert odrive_can.address_of(frame)[0] == NODE
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
        assert axis.torque == 0.0  # nobody has said yet that it gives torque
        axis.take(sent_by_odrive(dbc, "Heartbeat", Axis_Error=0, Axis_State=8), 0.05, 7)
        axis.frames(4.0, True, 0.1)
        assert axis.torque == 4.0  # not measured: what was asked for
        axis.take(sent_by_odrive(dbc, "Heartbeat", Axis_Error=0, Axis_State=1), 0.15, 7)
        axis.frames(4.0, True, 0.2)
        assert axis.torque == 0.0
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
            axis.take(odrive_can.frame_of(NODE, command, bytes(length)), 1.0, 7)
    assert not axis.take(odrive_can.frame_of(NODE + 1, odrive_can.Command.GET_ENCODER_ESTIMATES, bytes(8)), 1.0, 7)
    assert axis.newest is None and axis.error == 0
    assert odrive_can.address_of(odrive_can.Frame(NODE << 5, b"", is_extended=True)) is None


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
    axis = CONFIG.model_dump()
    with pytest.raises(DriverError, match="same node_id"):
        make_driver("odrive_can", {"interface": "virtual", "channel": "x", "axes": {"a": axis, "b": axis}})


def test_the_example_settings_make_a_driver():
    from pathlib import Path

    from exo_device.drivers import read_driver_config

    folder = Path(__file__).resolve().parents[1] / "exo_device" / "config" / "drivers"
    driver = make_driver("odrive_can", read_driver_config(folder / "odrive_example.yaml", "odrive_can"))
    assert len(driver.config.axes) == 4


# --- heartbeats: the only word about state and errors


def test_no_heartbeat_is_an_obstacle_and_with_the_axis_on_an_error():
    axis, motor = Axis("hip_flexion_r", CONFIG, 0.0), EmulatedAxis(CONFIG)
    estimates = motor.report()[-1]
    axis.take(estimates, 0.0, 7)
    assert "no heartbeat from the ODrive of hip_flexion_r (node" in axis.obstacle(0.0)
    axis.frames(5.0, True, 1.0)
    axis.frames(5.0, True, 1.0 + 0.9 * HEARTBEAT_TIMEOUT_S)
    axis.take(estimates, 1.3, 7)
    assert axis.error == 0 and axis.newest.torque == 0.0
    axis.frames(5.0, True, 1.0 + 1.1 * HEARTBEAT_TIMEOUT_S)
    assert axis.error == NO_HEARTBEAT


def test_heartbeats_that_end_are_missed_and_forgiven_when_they_are_back():
    axis, motor = Axis("hip_flexion_r", CONFIG, 0.0), EmulatedAxis(CONFIG)
    axis.take(motor.heartbeat(), 1.0, 7)
    assert axis.obstacle(1.0 + 0.9 * HEARTBEAT_TIMEOUT_S) == ""
    axis.frames(0.0, False, 9.0)
    assert "no heartbeat" in axis.obstacle(9.0) and axis.error == 0
    axis.frames(0.0, True, 9.0)
    assert axis.error == NO_HEARTBEAT
    axis.take(motor.heartbeat(), 9.1, 7)
    assert axis.error == 0 and axis.obstacle(9.1) == ""


# --- the firmware's watchdog

ENDPOINTS = WatchdogEndpoints(enable_watchdog=250, watchdog_timeout=249)
ON, TIMEOUT = b"\x01", struct.pack("<f", 0.1)


def watched(parameters, since_s=0.0) -> Axis:
    """An axis whose ODrive has these parameters, after the driver has asked for them."""
    axis, motor = Axis("hip_flexion_r", CONFIG, since_s, ENDPOINTS), EmulatedAxis(CONFIG)
    motor.parameters = parameters
    for frame in axis.frames(0.0, False, since_s):
        motor.on_frame(frame)
    for frame in motor.report():
        axis.take(frame, since_s + 0.001, 7)
    return axis


@pytest.mark.parametrize(
    "parameters, is_on",
    [
        ({250: ON, 249: TIMEOUT}, True),
        ({250: b"\x00", 249: TIMEOUT}, False),
        ({250: ON, 249: struct.pack("<f", 5.0)}, False),
        ({250: ON, 249: struct.pack("<f", 0.0)}, False),
        ({250: ON, 249: struct.pack("<f", math.nan)}, False),
        ({250: ON, 249: b"\x00"}, False),
        ({249: TIMEOUT}, False),
        ({}, False),
    ],
)
def test_the_watchdog_counts_once_it_was_read_back(parameters, is_on):
    assert watched(parameters).has_watchdog == is_on


def test_an_axis_that_does_not_repeat_that_its_watchdog_is_on_may_have_been_started_anew():
    axis = watched({250: ON, 249: TIMEOUT})
    for count in range(5):
        axis.frames(0.0, False, 0.5 * (count + 1))
    assert not axis.has_watchdog


def test_without_guardian_and_watchdog_an_odrive_is_not_armed():
    settings = {"interface": "virtual", "channel": "x", "axes": {"a": CONFIG.model_dump()}}
    for more, text in (
        ({}, "watchdog_endpoints does not say where"),
        ({"watchdog_endpoints": ENDPOINTS}, "has not said"),
    ):
        with make_driver("odrive_can", {**settings, **more}) as driver:
            driver.configure(("a",))
            assert text in driver.warnings()[0]
            driver.master.motors[0].take(EmulatedAxis(CONFIG).heartbeat(), driver._steady_s(), 7)
            assert text in driver.arming_obstacle()


def test_an_order_of_another_host_is_an_error_and_who_only_reads_is_none():
    axis = Axis("hip_flexion_r", CONFIG, 0.0)
    axis.frames(1.0, True, 1.0)
    assert not axis.is_order(odrive_can.read_parameter(NODE, 250))
    order = odrive_can.set_torque(NODE, 2.0)
    assert axis.is_order(order) and not axis.take(order, 1.0, 7)
    axis.foreign_order(1.0)
    assert axis.error == FOREIGN_MASTER and "another program commands" in axis.obstacle(1.5)
    axis.frames(0.0, False, 2.1)
    assert axis.error == 0


def test_a_gear_ratio_must_be_given():
    axis = CONFIG.model_dump()
    del axis["gear_ratio"]
    with pytest.raises(DriverError, match="axes.a.gear_ratio: this field is missing"):
        make_driver("odrive_can", {"interface": "virtual", "channel": "x", "axes": {"a": axis}})

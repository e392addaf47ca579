# SPDX-License-Identifier: Apache-2.0
"""Declaring parameters, and how a node is run: signals, exit codes, one line for bad input."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

rclpy = pytest.importorskip("rclpy", reason="needs ROS 2")

from exo_core.ros import Declaration, ParameterError, declare_parameters, run_node

DECLARED = {
    "rate_hz": Declaration(10.0, "Pictures per second (Hz).", (0.5, 60.0)),
    "port": Declaration(8080, "TCP port.", (0, 65535)),
    "mode": Declaration("fast", "How it runs.", choices=("fast", "slow"), live=True),
    "paused": Declaration(False, "Begins so."),
}
PROGRAM = textwrap.dedent(
    """
    import sys
    from rclpy.node import Node
    from exo_core.errors import UserError
    from exo_core.ros import run_node, spin
    def run(node, stop):
        print("runs", flush=True)
        try:
            if {fails}:
                raise UserError("the disk is full: make room")
            spin(node, stop)
        finally:
            print("in order", flush=True)
        return {code}
    def make():
        if {bad}:
            raise ValueError("device 'arm' is not known:\\n choose hip")
        return Node("tried")
    sys.exit(run_node("tried_node", make, run))
    """
)


@pytest.fixture
def node_of():
    """Makes a node with the values that a command line would give."""
    context, nodes = rclpy.Context(), []
    rclpy.init(context=context, args=[], domain_id=96)

    def make(**given):
        words = [word for name, value in given.items() for word in ("-p", f"{name}:={value}")]
        nodes.append(
            rclpy.create_node(
                "declares", context=context, cli_args=["--ros-args", *words] if words else None, enable_rosout=False
            )
        )
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def test_values_are_those_given_and_else_the_defaults(node_of):
    values = declare_parameters(node_of(rate_hz=0.5, mode="slow"), DECLARED)
    assert values == {"rate_hz": 0.5, "port": 8080, "mode": "slow", "paused": False}


def test_a_whole_number_will_do_for_one_with_a_decimal_point(node_of):
    node = node_of(rate_hz=2)
    value = declare_parameters(node, DECLARED)["rate_hz"]
    assert (value, type(value)) == (2.0, float) and node.get_parameter("rate_hz").value == 2.0
    descriptor = node.describe_parameter("rate_hz")
    assert descriptor.floating_point_range[0].to_value == 60.0 and not descriptor.dynamic_typing


@pytest.mark.parametrize("value", ["quick", "true", "[1.0, 2.0]"])
def test_what_is_no_number_is_refused_in_one_line(node_of, value):
    with pytest.raises(ParameterError, match="rate_hz must be a number") as caught:
        declare_parameters(node_of(rate_hz=value), DECLARED)
    assert "\n" not in str(caught.value)


def test_descriptors_say_unit_range_choices_and_what_may_change(node_of):
    node = node_of()
    declare_parameters(node, DECLARED)
    rate, port, mode = (node.describe_parameter(name) for name in ("rate_hz", "port", "mode"))
    assert rate.floating_point_range[0].to_value == 60.0 and rate.read_only and "Hz" in rate.description
    assert port.integer_range[0].to_value == 65535
    assert mode.additional_constraints == "one of fast, slow" and not mode.read_only


@pytest.mark.parametrize(
    "name, value, said",
    [
        ("rate_hz", 99.0, "a number with a decimal point from 0.5 to 60"),
        ("rate_hz", 99, "a number with a decimal point from 0.5 to 60"),
        ("port", 70000, "a whole number from 0 to 65535"),
        ("paused", "perhaps", "true or false"),
        ("mode", "backwards", "choose one of fast, slow"),
    ],
)
def test_a_value_that_cannot_be_used_is_one_line(node_of, name, value, said):
    with pytest.raises(ParameterError) as caught:
        declare_parameters(node_of(**{name: value}), DECLARED)
    assert name in str(caught.value) and said in str(caught.value) and "\n" not in str(caught.value)


def started(**how):
    words = {"fails": False, "bad": False, "code": None, **how}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(**words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "ROS_DOMAIN_ID": os.environ["EXO_TEST_DOMAIN"]},
    )


@pytest.mark.parametrize("number, code", [(signal.SIGINT, None), (signal.SIGTERM, None), (signal.SIGTERM, 3)])
def test_a_signal_ends_a_node_in_order(number, code):
    process = started(code=code)
    assert process.stdout.readline() == "runs\n"
    process.send_signal(number)
    said, errors = process.communicate(timeout=30)
    assert (said, errors, process.returncode) == ("in order\n", "", code or 0)


def test_what_cannot_be_used_is_one_line_and_exit_code_2():
    process = started(bad=True)
    said, errors = process.communicate(timeout=30)
    assert (said, process.returncode) == ("", 2)
    assert errors == "tried_node: device 'arm' is not known: choose hip\n"


def test_what_cannot_go_on_is_one_line_and_exit_code_1():
    process = started(fails=True)
    said, errors = process.communicate(timeout=30)
    assert (said, errors) == ("runs\nin order\n", "tried_node: the disk is full: make room\n")
    assert process.returncode == 1


def test_help_says_every_parameter_and_starts_nothing(capsys):
    assert run_node("tried_node", lambda: 1 // 0, args=["--help"], declared=DECLARED) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "rate_hz (default 10.0, 0.5 to 60): Pictures per second (Hz)." in said
    assert "mode (default fast, one of fast, slow)" in said and "paused (default false)" in said

# SPDX-License-Identifier: Apache-2.0
"""What all nodes share: quality of service, declaring parameters, and how a node is run. Needs rclpy."""

from __future__ import annotations

import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from exo_core.errors import ExitCode, UserError, one_line

#: The newest value counts, and it must arrive: commands, the simulated motor bus, the clock.
LATEST = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE)
#: The newest value counts, and one that is lost is not missed: what people look at.
LATEST_BEST_EFFORT = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
#: Sensor data that a reliable subscriber may have as well: in lockstep no state may be lost.
SENSOR = QoSProfile(depth=5, reliability=ReliabilityPolicy.RELIABLE)
#: Whoever comes later gets the last one.
LATCHED = QoSProfile(depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL)

#: A node that is spun looks for a signal this often while no message arrives (s).
SIGNAL_PERIOD_S = 0.1
HELP_WIDTH = 100
KINDS = {bool: "true or false", int: "a whole number", float: "a number with a decimal point", str: "a text"}

AnyNode = TypeVar("AnyNode", bound=Node)


class ParameterError(UserError):
    """A parameter has no usable value; the message is one line that says which and what is allowed."""


@dataclass(frozen=True)
class Declaration:
    """The declaration of a parameter.

    Attributes:
        default: its value when nobody gives one; its type is the parameter's.
        description: what it does, with its unit.
        limits: lowest and highest value of a number, both allowed.
        choices: the words that a text may be; empty: any.
        live: it may change while the node runs.
    """

    default: bool | int | float | str
    description: str
    limits: tuple[float, float] | None = None
    choices: tuple[str, ...] = ()
    live: bool = False


def declare_parameters(node: Node, declared: Mapping[str, Declaration]) -> dict[str, Any]:
    """Declares parameters and returns their values by name.

    Raises:
        ParameterError: a value that was given has the wrong type, is out of range or none of the choices.
    """
    return {name: _declare(node, name, parameter) for name, parameter in declared.items()}


def _declare(node: Node, name: str, parameter: Declaration) -> Any:
    descriptor = ParameterDescriptor(description=parameter.description, read_only=not parameter.live)
    if parameter.choices:
        descriptor.additional_constraints = f"one of {', '.join(parameter.choices)}"
    allowed = KINDS[type(parameter.default)]
    if parameter.limits:
        low, high = parameter.limits
        allowed += f" from {low:g} to {high:g}"
        if isinstance(parameter.default, float):
            descriptor.floating_point_range = [FloatingPointRange(from_value=float(low), to_value=float(high))]
        else:
            descriptor.integer_range = [IntegerRange(from_value=int(low), to_value=int(high), step=1)]
    try:
        value = _given(node, name, parameter.default, descriptor)
    except ParameterException as error:
        raise ParameterError(
            f"parameter {name} must be {allowed}: {parameter.description} ({' '.join(str(error).split())})"
        ) from error
    if parameter.choices and value not in parameter.choices:
        raise ParameterError(f"parameter {name} is '{value}': choose one of {', '.join(parameter.choices)}")
    return value


def _given(node: Node, name: str, default: bool | int | float | str, descriptor: ParameterDescriptor) -> Any:
    """Declares a parameter; for a number with a decimal point a whole number will do, as people write it."""
    try:
        return node.declare_parameter(name, default, descriptor).value
    except InvalidParameterTypeException:
        if not isinstance(default, float):
            raise
    raw = node.declare_parameter(name, default, ParameterDescriptor(dynamic_typing=True)).value
    node.undeclare_parameter(name)
    whole = isinstance(raw, int) and not isinstance(raw, bool)
    # what is no number fails again, with rclpy's words
    return node.declare_parameter(name, float(raw) if whole else default, descriptor, ignore_override=whole).value


def spin(node: Node, stop: threading.Event) -> None:
    """Handles what arrives, in this thread, until `stop`."""
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    try:
        while not stop.is_set():
            executor.spin_once(timeout_sec=SIGNAL_PERIOD_S)
    finally:
        executor.shutdown()


def run_node(
    name: str,
    make: Callable[[], AnyNode],
    run: Callable[[AnyNode, threading.Event], int | None] = spin,
    args: Sequence[str] | None = None,
    declared: Mapping[str, Declaration] | None = None,
) -> int:
    """Makes a node and runs it until SIGINT or SIGTERM; the main of every node.

    ROS's own handlers would shut the context down at once, before the last torque has gone out or a file is written:
    here a signal only sets an event.

    Args:
        name: of the program, for its errors.
        make: makes the node. What it raises as ValueError cannot be used: one line on stderr, ExitCode.BAD_INPUT.
        run: does the node's work until the event is set, and puts things in order however it ends. It may return an
            exit code. A UserError that it raises is one line on stderr, ExitCode.FAILED.
        args: the command line without the program; None: that of the process.
        declared: parameters, for --help.

    Returns:
        The exit code.
    """
    if {"-h", "--help"} & set(sys.argv[1:] if args is None else args):
        print(_help(name, declared or {}))
        return ExitCode.OK
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        try:
            rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
            node = make()
        except (ValueError, RuntimeError) as error:  # RuntimeError: ROS arguments that rcl cannot parse
            _say(name, error)
            return ExitCode.BAD_INPUT
        try:
            return run(node, stop) or ExitCode.OK
        except ExternalShutdownException:  # somebody else has shut the context down
            return ExitCode.OK
        except UserError as error:
            _say(name, error)
            return ExitCode.FAILED
        finally:
            node.destroy_node()
    finally:
        rclpy.try_shutdown()


def _help(name: str, declared: Mapping[str, Declaration]) -> str:
    """Every parameter with its default and what is allowed."""
    lines = [f"usage: {name} [--ros-args -p NAME:=VALUE ... --params-file FILE]", "", "parameters:"]
    for parameter, item in declared.items():
        default = str(item.default).lower() if isinstance(item.default, bool) else str(item.default) or "empty"
        allowed = f", {item.limits[0]:g} to {item.limits[1]:g}" if item.limits else ""
        allowed += f", one of {', '.join(item.choices)}" if item.choices else ""
        lines += textwrap.wrap(
            f"{parameter} (default {default}{allowed}): {item.description}",
            width=HELP_WIDTH,
            initial_indent="  ",
            subsequent_indent="      ",
        )
    return "\n".join(lines)


def _say(name: str, error: Exception) -> None:
    print(f"{name}: {one_line(error)}", file=sys.stderr)

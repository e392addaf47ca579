# SPDX-License-Identifier: Apache-2.0
"""device_node is the lifecycle node between policy and motors. It is thin: see assembly, control_loop and safety."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from dataclasses import replace

from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from exo_core.errors import ExitCode
from exo_core.ros import run_node
from exo_device import parameters
from exo_device.assembly import CONFIGURATION_ERRORS, Assembly, assemble
from exo_device.drivers.can.bus import THREAD_SWITCH_S
from exo_device.memory import Kept
from exo_device.parameters import ParameterGuard
from exo_device.ros_interface import NOT_CONFIGURED, DeviceInterface, DeviceServices
from exo_device.safety import Answer, Fault, Mode
from exo_device.safety.modes import NO_FAULT

Transition = Callable[["DeviceNode", LifecycleState], TransitionCallbackReturn]
#: The loop needs ramp_down_s to end; more than this (s) means that it hangs.
LOOP_END_TIMEOUT_S = 2.0


def told(transition: Transition) -> Transition:
    """A transition that logs why it failed: rclpy drops what a callback raises without a word."""

    @functools.wraps(transition)
    def logged(self: DeviceNode, state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except CONFIGURATION_ERRORS as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        except Exception as error:
            text = " ".join(str(error).split())
            self.get_logger().error(f"{transition.__name__} failed, motors off: {type(error).__name__}: {text}")
            return TransitionCallbackReturn.ERROR

    return logged


class DeviceNode(LifecycleNode):
    """configure: read files, open the driver. activate: run the loop. Motors stay off until exo/arm."""

    def __init__(self) -> None:
        super().__init__("device_node")
        parameters.declare(self)
        #: Called with the exception that ended the control loop; the motors are off by then.
        self.on_crash = self._log_crash
        self._setup: Assembly | None = None
        self._interface: DeviceInterface | None = None
        self._thread: threading.Thread | None = None
        #: The one before, when there is none now, and what is kept of it.
        self._former: Assembly | None = None
        self._kept = Kept()
        self._parameter_guard = ParameterGuard()
        self._front = DeviceServices(self)
        self.add_on_set_parameters_callback(self._judge_changes)

    # --- lifecycle

    @told
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Bad configuration: one line in the log, and the node stays unconfigured."""
        setup = assemble(
            parameters.read(self),
            self._kept,
            ros_ns=self._ros_ns,
            use_sim_time=self.get_parameter("use_sim_time").value,
            on_error=lambda line: self.get_logger().error(line),
        )
        self._setup = setup
        setup.loop.finish(on_purpose=True)  # no arming before activation
        self._interface = DeviceInterface(self, setup, self._front)
        setup.loop.hooks = self._interface.hooks()
        setup.loop.hooks.on_crash = self._loop_crashed
        self._parameter_guard.is_configured = True
        self._parameter_guard.is_real |= setup.is_worn
        device = setup.device
        self.get_logger().info(
            f"device '{device.name}', driver '{setup.driver.name}', wearer "
            f"{setup.loop.supervisor.wearer_mass_kg:g} kg, joints {', '.join(device.joint_names)}"
        )
        for warning in (*setup.warnings, *filter(None, [setup.unchecked])):
            self.get_logger().warning(warning)
        setup.loop.tell()
        return TransitionCallbackReturn.SUCCESS

    @told
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """States flow; the motors stay off."""
        assert self._setup is not None  # only a configured node is activated
        self._setup.loop.prepare()
        self._thread = threading.Thread(target=self._setup.loop.run, name="control_loop", daemon=True)
        self._thread.start()
        return super().on_activate(state)

    @told
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Torque to zero, motors off: on purpose, which is no fault. What is latched stays latched."""
        self.end_loop(on_purpose=True)
        return super().on_deactivate(state)

    @told
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Closes the driver; the files are read again at the next configure."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    @told
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Does as cleanup, from any state."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    @told
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Does as cleanup; a new configure may succeed."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    def end_loop(self, *, on_purpose: bool = False) -> None:
        """Torque to zero, motors off, loop ended. on_purpose: that is no fault.

        Raises RuntimeError for a loop that hangs; its motors are switched off over its head.
        """
        if self._thread is not None and self._setup is not None:
            self._setup.loop.finish(on_purpose=on_purpose)
            self._thread.join(LOOP_END_TIMEOUT_S)
            if self._thread.is_alive():
                self._setup.driver.disconnect()
                raise RuntimeError(
                    f"the control loop has not ended within {LOOP_END_TIMEOUT_S:g} s: start device_node again"
                )
            self._thread = None

    def release(self) -> None:
        """Ends the loop and gives back driver and topics. May be called in any state."""
        self.end_loop()
        if self._setup is not None:
            self._former = setup = self._setup
            self._setup = None
            setup.close()
            if self._interface is not None:
                self._interface.destroy()
            self._kept = setup.kept
            self._parameter_guard.is_configured = False
            self._front.publish_unconfigured(self._kept)

    # --- what the services ask

    def arm(self) -> Answer:
        """exo/arm."""
        return self._setup.arm() if self._setup else Answer(False, NOT_CONFIGURED)

    def arming(self) -> Answer | None:
        """Returns what came of exo/arm; None while that is open."""
        if self._setup is None:
            return Answer(False, NOT_CONFIGURED)
        supervisor = self._setup.loop.supervisor
        if supervisor.mode is Mode.ARMING:
            return None
        is_active = supervisor.mode is Mode.ACTIVE
        return Answer(is_active, "active" if is_active else f"{supervisor.mode.name.lower()}: {self.cause()}")

    def arming_timeout_s(self) -> float:
        """Tells how long arming takes at most (s)."""
        return self._setup.loop.supervisor.config.arming_timeout_s if self._setup else 0.0

    def cause(self) -> str:
        """Says why the device is in its mode."""
        return self._setup.loop.supervisor.cause if self._setup else NOT_CONFIGURED

    def disarm(self) -> Answer:
        """exo/disarm: the only thing that clears what is latched."""
        if self._setup is not None:
            return self._setup.loop.disarm()
        self._keep(replace(self._kept, faults=NO_FAULT, cause=""))
        return Answer(True, f"disarmed; {NOT_CONFIGURED}")

    def confirm_zeros(self) -> Answer:
        """exo/confirm_zeros: somebody has looked at the angles, which goes into the log."""
        if self._setup is None:
            return Answer(False, NOT_CONFIGURED)
        answer = self._setup.confirm_zeros()
        self.get_logger().warning(f"exo/confirm_zeros: {answer.message}")
        return answer

    def stop(self) -> Answer:
        """exo/stop, which latches in every state of the node."""
        if self._setup is not None:
            return self._setup.loop.emergency_stop()
        self._keep(replace(self._kept, faults=self._kept.faults | Fault.USER_STOP, cause="stopped by exo/stop"))
        return Answer(True, f"latched until exo/disarm; {NOT_CONFIGURED}")

    def beat(self) -> None:
        """The thread that hears the services lives."""
        if self._setup is not None:
            self._setup.loop.beat()

    # --- inside

    def _keep(self, kept: Kept) -> None:
        """Unconfigured: there is no loop that would tell it."""
        self._kept = kept
        if self._former is not None:
            self._former.keep_now(kept)
        self._front.publish_unconfigured(kept)

    def _judge_changes(self, changes: list[Parameter]) -> SetParametersResult:
        reason = next(filter(None, (self._parameter_guard.refusal(change.name) for change in changes)), "")
        return SetParametersResult(successful=not reason, reason=reason)

    def _ros_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _loop_crashed(self, error: BaseException) -> None:
        if self._interface is not None:
            self._interface.permit(False)
        self.on_crash(error)

    def _log_crash(self, error: BaseException) -> None:
        self.get_logger().fatal(f"control loop ended, motors off: {type(error).__name__}: {error}")


def main(args: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, 1 after a crash, 2 for a bad configuration."""
    sys.setswitchinterval(THREAD_SWITCH_S)
    return run_node("device_node", DeviceNode, _run_and_release, args, parameters.DECLARED)


def _run_and_release(node: DeviceNode, stop: threading.Event) -> int:
    try:
        return _run(node, stop)
    finally:
        node.release()


def _run(node: DeviceNode, stop: threading.Event) -> int:
    crashes: list[BaseException] = []

    def crashed(error: BaseException) -> None:
        crashes.append(error)
        node._log_crash(error)
        stop.set()

    node.on_crash = crashed
    if node.get_parameter("auto_start").value:
        if node.trigger_configure() is not TransitionCallbackReturn.SUCCESS:
            return ExitCode.BAD_INPUT
        node.trigger_activate()
    executor = SingleThreadedExecutor()
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:
            stop.set()
        except Exception as error:
            if not stop.is_set():  # rclpy's executor stumbles when it is shut down just as it begins to wait
                crashed(error)

    # The main thread only waits for signals: Python runs their handlers there, at once when it is not in a callback.
    spinner = threading.Thread(target=spin, name="executor", daemon=True)
    spinner.start()
    stop.wait()
    node.end_loop()
    executor.shutdown()
    spinner.join(LOOP_END_TIMEOUT_S)
    return ExitCode.FAILED if crashes else ExitCode.OK


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""device_node: the lifecycle node between policy and motors. Thin: see control_loop and safety."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.signals import SignalHandlerOptions

from exo_device import parameters
from exo_device.control_loop import ControlLoop
from exo_device.description import DeviceError, load_device
from exo_device.drivers import Driver, DriverError, make_driver
from exo_device.drivers.can.bus import THREAD_SWITCH_S
from exo_device.drivers.config_file import read_driver_config
from exo_device.parameters import DeviceParameters, ParameterError
from exo_device.ros_interface import DeviceInterface
from exo_device.safety import SafetyError, SafetySupervisor

#: The loop needs ramp_down_s to end; more than this (s) means that it hangs.
LOOP_END_TIMEOUT_S = 2.0
EXIT_OK, EXIT_CRASHED, EXIT_BAD_CONFIGURATION = 0, 1, 2
CONFIGURATION_ERRORS = (ParameterError, DeviceError, SafetyError, DriverError)


class DeviceNode(LifecycleNode):
    """configure: read files, open the driver. activate: run the loop. Motors stay off until exo/arm."""

    def __init__(self) -> None:
        super().__init__("device_node")
        parameters.declare(self)
        #: Called with the exception that ended the control loop; the motors are off by then.
        self.on_crash = self._log_crash
        self._loop: ControlLoop | None = None
        self._interface: DeviceInterface | None = None
        self._thread: threading.Thread | None = None

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Bad configuration: one line in the log, and the node stays unconfigured."""
        try:
            chosen = parameters.read(self)
            device = load_device(chosen.device_config)
            supervisor = SafetySupervisor(device, chosen.wearer_mass_kg, chosen.safety())
            driver = _open_driver(chosen, device.joint_names, self._ros_ns)
        except CONFIGURATION_ERRORS as error:
            self.get_logger().error(str(error))
            return TransitionCallbackReturn.FAILURE
        self._loop = ControlLoop(driver, supervisor, chosen.loop(), ros_now_ns=self._ros_ns)
        self._loop.finish()  # no arming before activation
        self._interface = DeviceInterface(self, device, self._loop)
        self._loop.hooks = self._interface.hooks()
        self._loop.hooks.on_crash = lambda error: self.on_crash(error)
        self.get_logger().info(
            f"device '{device.name}', driver '{driver.name}', wearer "
            f"{chosen.wearer_mass_kg:g} kg, joints {', '.join(device.joint_names)}"
        )
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """States flow; the motors stay off."""
        self._loop.prepare()
        self._thread = threading.Thread(target=self._loop.run, name="control_loop", daemon=True)
        self._thread.start()
        return super().on_activate(state)

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Torque to zero, motors off."""
        self.end_loop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Closes the driver; the files are read again at the next configure."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup, from any state."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """As cleanup; a new configure may succeed."""
        self.release()
        return TransitionCallbackReturn.SUCCESS

    def end_loop(self) -> None:
        """Torque to zero, motors off, loop ended."""
        if self._thread is not None:
            self._loop.finish()
            self._thread.join(LOOP_END_TIMEOUT_S)
            self._thread = None

    def release(self) -> None:
        """Ends the loop and gives back driver, topics and services. May be called in any state."""
        self.end_loop()
        if self._loop is not None:
            self._loop.driver.disconnect()
            self._interface.destroy()
            self._loop = self._interface = None

    def _ros_ns(self) -> int:
        return self.get_clock().now().nanoseconds

    def _log_crash(self, error: BaseException) -> None:
        self.get_logger().fatal(f"control loop ended, motors off: {type(error).__name__}: {error}")


def _open_driver(chosen: DeviceParameters, joint_names: tuple[str, ...], ros_ns: Callable[[], int]) -> Driver:
    """The driver that the parameters name, connected and configured. Raises DriverError."""
    settings = read_driver_config(chosen.driver_config, chosen.driver) if chosen.driver_config else None
    driver = make_driver(chosen.driver, settings)
    try:
        driver.use_clock(ros_ns)
        driver.connect()
        driver.configure(joint_names)
    except DriverError:
        driver.disconnect()
        raise
    return driver


def main(args: list[str] | None = None) -> int:
    """Runs until SIGINT or SIGTERM. Returns the exit code: 0, 1 after a crash, 2 for a bad configuration."""
    sys.setswitchinterval(THREAD_SWITCH_S)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        # ROS's own handlers would shut the context down before the last torque has gone out.
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = DeviceNode()
    except (ParameterError, RuntimeError) as error:  # RuntimeError: ROS arguments that rcl cannot parse
        print(f"device_node: {' '.join(str(error).split())}", file=sys.stderr)
        rclpy.try_shutdown()
        return EXIT_BAD_CONFIGURATION
    try:
        return _run(node, stop)
    finally:
        node.release()
        node.destroy_node()
        rclpy.try_shutdown()


def _run(node: DeviceNode, stop: threading.Event) -> int:
    crashes: list[BaseException] = []

    def crashed(error: BaseException) -> None:
        crashes.append(error)
        node._log_crash(error)
        stop.set()

    node.on_crash = crashed
    if node.get_parameter("auto_start").value:
        if node.trigger_configure() is not TransitionCallbackReturn.SUCCESS:
            return EXIT_BAD_CONFIGURATION
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

    # The main thread only waits for signals: Python runs their handlers there, at once when it is not in a
    # callback.
    spinner = threading.Thread(target=spin, name="executor", daemon=True)
    spinner.start()
    stop.wait()
    node.end_loop()
    executor.shutdown()
    spinner.join(LOOP_END_TIMEOUT_S)
    return EXIT_CRASHED if crashes else EXIT_OK


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""The graph on emulated motors, whose processes can be killed and started again one by one.

legs -> sim/motor_states -> motors -> CAN frames -> device_node -> exo/joint_states -> policy_node,
and back by exo/command. Times are a real device's: wall time, hardware.yaml.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import rclpy
import yaml
from rclpy.signals import SignalHandlerOptions
from std_srvs.srv import Trigger

from endurance.bus import IMU, PATIENT_BUS, PATIENT_DEVICE, PATIENT_IMU, adopt, bus_settings
from endurance.motors import MotorsProcess
from endurance.standby import READY
from exo_bringup.graph import GraphOptions, NodeSpec, describe_hardware
from exo_bringup.processes import Child, Children, child_environment
from exo_core.errors import UserError
from exo_core.ros import LATCHED
from exo_device.description import load_device
from exo_device.devices import device_file
from exo_device.drivers.ros import SpinningThread
from exo_msgs.msg import DeviceStatus
from exo_sim.subjects import subject_file

LEGS, MOTORS, DEVICE, POLICY, GUARDIAN = "simulator", "emulator", "device", "policy", "guardian"
#: A Python process on a busy small computer takes this long to be there at most (s).
PATIENCE_S = 120.0
CALL_TIMEOUT_S = 5.0
#: A device that was killed is still known for a while, and never answers: arming is tried again after this (s).
ARM_TIMEOUT_S = 0.5
#: Between two looks (s).
LOOK_S = 0.005
#: Between two attempts to arm (s).
ARM_PERIOD_S = 0.25
#: Legs that are killed and come back leap; that this stops the device until it is configured anew is known.
LEAPING_LEGS = {"jump_rad": 10.0}
#: The wearer's first stride is not waited for: a trial starts hundreds of times.
QUICK = {"stride_gate": False, "fade_in_s": 0.0}


class CanGraph:
    """Use as a context manager. Raises UserError when the graph does not come up."""

    def __init__(
        self,
        folder: Path,
        *,
        bus_rate_hz: float = 200.0,
        device: str = "hip_ankle",
        controller: str = "spline",
        motors: str = "simulator",
        device_command: tuple[str, ...] = (),
        faults: tuple[str, ...] = ("hold",),
        patient: bool = False,
        imu: dict | None = None,
    ) -> None:
        """motors: what the motors turn, simulator (the walking legs) or spring. device_command: instead of
        python -m exo_device.device_node. controller: empty for no policy_node; the caller answers for it.
        imu: the driver's settings of its IMU beside motors on springs; None: it has none."""
        self.folder, self._mechanics, self._faults = folder, motors, faults
        self.namespace = f"trial_{os.getpid()}"
        changes = PATIENT_BUS if patient else {"plausibility": LEAPING_LEGS}
        if motors == "simulator":
            changes = {**changes, "imu": PATIENT_IMU if patient else IMU}
        elif imu is not None:
            changes = {**changes, "imu": imu}
        self.settings = bus_settings(bus_rate_hz=bus_rate_hz, **changes)
        self._driver_file = folder / "driver.yaml"
        self._driver_file.write_text(yaml.safe_dump({"driver": "cubemars_can", **self.settings}))
        self._joints = load_device(device_file(device)).joint_names
        options = GraphOptions(
            device=device,
            subject=str(subject_file("default")),
            controller=controller or "zero",
            driver="cubemars_can",
            namespace=self.namespace,
        )
        self._specs = {spec.name: spec for spec in describe_hardware(options)}
        self._specs["device_node"].parameters.update(
            {
                "driver_config": str(self._driver_file),
                "use_mock_hardware": True,
                **QUICK,
                **(PATIENT_DEVICE if patient else {}),
            }
        )
        for spec in self._specs.values():  # once: a process that starts may be reading it later on
            self._parameter_file(spec).write_text(spec.parameter_yaml())
        self._device_command = device_command
        self.processes = [*([LEGS] if motors == "simulator" else []), MOTORS, DEVICE, *([POLICY] if controller else [])]
        self._environment = child_environment(ROS_LOG_DIR=str(folder))  # with what the caller has set
        self.children = Children(folder)
        #: Children by process.
        self.running: dict[str, Child] = {}
        self._next: MotorsProcess | tuple[Path, Child] | None = None
        self._count = 0
        self.motors: MotorsProcess | None = None
        self.status: DeviceStatus | None = None

    def __enter__(self) -> CanGraph:
        adopt(self._environment)
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node("trial", namespace=self.namespace)
        self.node.create_subscription(DeviceStatus, "exo/status", self._on_status, LATCHED)
        self._clients = {name: self.node.create_client(Trigger, f"exo/{name}") for name in ("arm", "disarm", "stop")}
        self._spinning = SpinningThread(self.node)
        try:
            for process in self.processes:
                self.start(process)
            self.motors.wait_ready()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        self.children.stop()
        for motors in (self.motors, self._next):
            if isinstance(motors, MotorsProcess):
                motors.close()
        self._spinning.close()
        rclpy.try_shutdown()

    # --- processes

    def prepare(self, process: str) -> None:
        """Starts the process that will take over when this one is killed, up to where it would begin."""
        process = DEVICE if process == GUARDIAN else process
        self._count += 1
        if process == MOTORS:
            self._next = self._make_motors("--wait")
            return
        go_file = self.folder / f"go_{self._count}"
        module, words = self._program(process)
        command = [sys.executable, "-m", "endurance.standby", str(go_file), module, *words]
        # names, and thereby logs, by turns: hundreds of files help nobody
        child = self.children.start(f"{process}_{self._count % 2}", command, self._environment)
        child.new_lines()
        self._next = (go_file, child)

    def await_prepared(self) -> None:
        """Until that process is ready to begin."""
        if isinstance(self._next, tuple):
            child = self._next[1]
            self.wait_until(lambda: READY in child.new_lines() or child.exit_code is not None, "a new process")

    def start(self, process: str) -> None:
        """Starts a process, or lets the prepared one begin; the motors are ready only after wait_ready."""
        prepared, self._next = self._next, None
        if process == DEVICE:
            self.status = None
        if process == MOTORS:
            self.motors = prepared or self._make_motors()
            self.motors.go()
        elif prepared:
            go_file, self.running[process] = prepared
            go_file.touch()
        else:
            module, words = self._program(process)
            program = self._device_command if process == DEVICE else ()
            command = [*(program or (sys.executable, "-m", module)), *words]
            self.running[process] = self.children.start(process, command, self._environment)

    def _make_motors(self, *arguments: str) -> MotorsProcess:
        faults = (word for fault in self._faults for word in ("--fault", fault))
        return MotorsProcess(
            self._driver_file,
            self.folder / "emulator.log",
            "--mechanics",
            self._mechanics,
            "--namespace",
            self.namespace,
            *faults,
            *arguments,
            environment=self._environment,
            wait=False,
        )

    def _program(self, process: str) -> tuple[str, list[str]]:
        """Module of a process, and its arguments."""
        if process == LEGS:
            return "endurance.walking_legs", [
                "--joints",
                ",".join(self._joints),
                "--ros-args",
                "-r",
                f"__ns:=/{self.namespace}",
            ]
        spec = self._specs[f"{process}_node"]
        return f"{spec.package}.{spec.executable}", spec.command_line("", self._parameter_file(spec))[1:]

    def _parameter_file(self, spec: NodeSpec) -> Path:
        return self.folder / f"{spec.name}.yaml"

    def kill(self, process: str) -> float:
        """SIGKILL. Returns the steady time (s) just before."""
        if process == MOTORS:
            now_s = time.monotonic()
            self.motors.kill()
            return now_s
        pid = self.guardian_pid() if process == GUARDIAN else self.running[process].process.pid
        now_s = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        return now_s

    def send(self, process: str, number: int) -> float:
        """A signal. Returns the steady time (s) just before."""
        now_s = time.monotonic()
        self.running[process].send(number)
        return now_s

    def revive(self, process: str) -> None:
        """Starts what was killed; a guardian comes with a new device node."""
        if process == GUARDIAN:
            process = DEVICE
        if process != MOTORS:
            self.running[process].kill()
        self.start(process)
        if process == MOTORS:
            self.motors.wait_ready()

    def guardian_pid(self) -> int:
        """Of the device node's guardian process. Raises UserError when it has none."""
        parent = self.running[DEVICE].process.pid
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes()
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                except OSError:
                    continue
                if b"exo_device.guardian" in words and int(fields[1]) == parent:
                    return int(entry.name)
        raise UserError("the device node has no guardian process")

    # --- state

    def wait_until(self, condition: Callable[[], object], what: str, within_s: float = PATIENCE_S) -> None:
        """Raises UserError, with the end of every log, when the condition does not come true."""
        deadline = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > deadline:
                logs = "\n".join(
                    f"--- {name}\n" + "\n".join(self.children[name].last_lines(6)) for name in self.children.names()
                )
                raise UserError(f"waited {within_s:g} s in vain for {what}\n{logs}")
            time.sleep(LOOK_S)

    def call(self, name: str, timeout_s: float = CALL_TIMEOUT_S) -> bool:
        """Calls exo/arm, exo/disarm or exo/stop. Returns whether it succeeded; False without an answer."""
        client = self._clients[name]
        if not client.service_is_ready():
            return False
        future = client.call_async(Trigger.Request())
        deadline = time.monotonic() + timeout_s
        while not future.done() and time.monotonic() < deadline:
            time.sleep(LOOK_S)
        if not future.done():
            client.remove_pending_request(future)
        return bool(future.done() and future.result() and future.result().success)

    def activate(self, within_s: float = PATIENCE_S) -> None:
        """Arms until the device is active, clearing faults: what failed has been started again."""
        tried_s = 0.0

        def active() -> bool:
            nonlocal tried_s
            mode = self.status.mode if self.status else None
            if mode == DeviceStatus.ACTIVE:
                return True
            if time.monotonic() - tried_s > ARM_PERIOD_S:
                if mode == DeviceStatus.FAULT:
                    self.call("disarm", ARM_TIMEOUT_S)
                self.call("arm", ARM_TIMEOUT_S)
                tried_s = time.monotonic()
            return False

        self.wait_until(active, "an active device", within_s)

    def await_torque(self, within_s: float = PATIENCE_S) -> None:
        """Until a motor gives torque; arms again when a busy machine has stopped the device meanwhile."""
        deadline = time.monotonic() + within_s
        while not self.motors.has_torque:
            self.activate(within_s)
            if time.monotonic() > deadline:
                raise UserError(f"no torque at the motors within {within_s:g} s")
            time.sleep(LOOK_S)

    def _on_status(self, status: DeviceStatus) -> None:
        self.status = status

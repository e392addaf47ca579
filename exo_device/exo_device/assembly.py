# SPDX-License-Identifier: Apache-2.0
"""This module makes a device that can be activated of parameters: it reads and compares files, connects the driver and
takes over the memory.

What is refused here is refused before any motor is switched on.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from exo_core.ros import ParameterError
from exo_device.control_loop import ControlLoop
from exo_device.description import DeviceDescription, DeviceError, load_device
from exo_device.drivers import DRIVERS, Driver, DriverError, make_driver, read_driver_config
from exo_device.memory import (
    Kept,
    LatchFile,
    StateFolderError,
    file_sha256,
    latch_path,
    missing_check,
    state_folder,
    usable_folder,
)
from exo_device.parameters import DeviceParameters
from exo_device.safety import Answer, SafetyError, SafetySupervisor, Snapshot
from exo_device.torque_permit import GpioLine, PermitError

#: What a configuration can be refused with; each message is one line.
CONFIGURATION_ERRORS = (ParameterError, DeviceError, SafetyError, DriverError, StateFolderError, PermitError)


@dataclass
class Assembly:
    """A configured device."""

    device: DeviceDescription
    loop: ControlLoop
    #: SHA-256 of the device file and of the driver's file ("" without one), in hexadecimal.
    device_sha256: str
    driver_sha256: str
    #: Whether somebody may wear it: its motors are real.
    is_worn: bool
    #: Why it must not be armed yet, or "".
    unchecked: str
    #: What is worth a warning.
    warnings: tuple[str, ...]
    #: Output for a relay, or None.
    permit_line: GpioLine | None
    #: What outlives deactivate, cleanup and configure; with real motors also the process.
    kept: Kept
    _file: LatchFile | None

    @property
    def driver(self) -> Driver:
        """Its motors."""
        return self.loop.driver

    def arm(self) -> Answer:
        """See ControlLoop.arm; refused before the sign and zero check where one is wanted.

        Nobody has to look at the zeros of emulated motors, which a busy machine keeps silent now and then.
        """
        if self.unchecked:
            return Answer(False, self.unchecked)
        if not self.is_worn:
            with contextlib.suppress(DriverError):
                self.driver.confirm_zeros()
        return self.loop.arm()

    def confirm_zeros(self) -> Answer:
        """See Driver.confirm_zeros."""
        try:
            return Answer(True, self.driver.confirm_zeros())
        except DriverError as error:
            return Answer(False, str(error))

    def keep(self, snapshot: Snapshot) -> None:
        """Keeps what must not be forgotten of this state. Never waits."""
        self.kept = Kept.of(snapshot, self.device.joint_names, self.driver.doubted_zeros(), time.time())
        if self._file is not None:
            self._file.keep(self.kept)

    def keep_now(self, kept: Kept) -> None:
        """Keeps this, after close(): there is no state to take it from. Waits for the disk."""
        self.kept = kept
        if self._file is not None:
            self._file.write(kept)

    def close(self) -> None:
        """Gives the motors back, and writes what is to be kept."""
        self.driver.disconnect()
        if self._file is not None:
            self._file.close()


def assemble(
    chosen: DeviceParameters,
    kept: Kept,
    *,
    ros_ns: Callable[[], int],
    use_sim_time: bool,
    on_error: Callable[[str], None],
) -> Assembly:
    """The device that the parameters describe, its driver connected.

    Args:
        kept: what this process has to keep from before.
        ros_ns: ROS time (ns).
        on_error: told what goes wrong later on while the memory is written, one line.

    Raises one of CONFIGURATION_ERRORS; nothing is connected then.
    """
    device = load_device(chosen.device_config)
    settings = read_driver_config(chosen.driver_config, chosen.driver) if chosen.driver_config else None
    try:
        driver = make_driver(chosen.driver, settings)
    except DriverError as error:
        if settings is None and chosen.driver in DRIVERS:
            raise DriverError(
                f"{error}; no file of settings was given: parameter driver_config (exo hardware --driver-config FILE, "
                "ros2 launch ... driver_config:=FILE)"
            ) from error
        raise
    is_worn = _is_worn(driver, chosen)
    if is_worn:
        if use_sim_time:
            raise ParameterError(
                "parameter use_sim_time must be false with real motors: a clock that somebody publishes may stand "
                "still, and the motors do not (emulated motors: use_mock_hardware)"
            )
        chosen.require_worn_ranges()
        driver.require_wearable()
    mass_kg = chosen.wearer_mass(is_worn=is_worn)
    safety = replace(
        chosen.safety(),
        simulated=driver.is_simulation,
        torque_is_measured=driver.measures_torque,
        posture_check=is_worn,
        ros_time_is_the_worlds=not use_sim_time,
    )
    supervisor = SafetySupervisor(device, mass_kg, safety)
    hashes = file_sha256(chosen.device_config), file_sha256(chosen.driver_config)
    folder = usable_folder(state_folder(chosen.state_folder)) if is_worn else None
    now_s = time.time()
    if folder is not None:
        path = latch_path(folder, driver.bus_name)
        kept = kept.also(LatchFile.read(path, device, now_s), device, now_s)
    supervisor.restore(kept.faults, kept.cause, kept.cooled(device, now_s))
    line = GpioLine(chosen.permit_line) if chosen.permit_line else None
    try:
        _connect(driver, device, supervisor.limits.cap, kept, ros_ns)
    except BaseException:
        if line is not None:
            line.close()
        raise
    return Assembly(
        device,
        ControlLoop(driver, supervisor, chosen.loop(), ros_now_ns=ros_ns),
        *hashes,
        is_worn=is_worn,
        unchecked=_unchecked(chosen, folder, hashes, device) if folder is not None else "",
        warnings=(*(_warnings(chosen, driver, device) if is_worn else ()), *driver.warnings()),
        permit_line=line,
        kept=kept,
        _file=LatchFile(path, on_error) if folder is not None else None,
    )


def _is_worn(driver: Driver, chosen: DeviceParameters) -> bool:
    """Tells whether somebody may wear what this driver drives.

    Raises ParameterError for a claim that cannot be true.
    """
    if not driver.has_real_motors:
        return False
    if chosen.use_mock_hardware and driver.is_emulated is False:
        raise ParameterError(
            f"parameter use_mock_hardware is set, but driver '{driver.name}' has a bus of real motors: "
            f"{driver.bus_name}"
        )
    return not chosen.use_mock_hardware


def _connect(
    driver: Driver, device: DeviceDescription, caps: np.ndarray, kept: Kept, ros_ns: Callable[[], int]
) -> None:
    try:
        driver.use_clock(ros_ns)
        driver.doubt_zeros(kept.doubts)
        driver.connect()
        driver.configure(device.joint_names)
        driver.limit(dict(zip(device.joint_names, caps.tolist(), strict=True)))
        for name, joint in device.joints.items():
            largest = driver.largest_torque_nm(name)
            if joint.torque_limit_nm > largest:
                raise DriverError(
                    f"the device allows {joint.torque_limit_nm:g} Nm on {name}, but its motor can be told {largest:g} "
                    "Nm at most: the device's torque_limit_nm or the range in the driver's file is wrong"
                )
    except BaseException:
        driver.disconnect()
        raise


def _unchecked(chosen: DeviceParameters, folder: Path, hashes: tuple[str, str], device: DeviceDescription) -> str:
    if not chosen.require_bench_check:
        return ""
    missing = missing_check(folder, *hashes, device.joint_names)
    command = (
        f"ros2 run exo_device bench check --device {chosen.device_config} --config {chosen.driver_config or 'YAML'}"
    )
    if chosen.state_folder:
        command += f" --state-folder {chosen.state_folder}"
    return (
        missing and f"signs and zeros have not been checked: {missing}; with the wearer in the device run `{command}`"
    )


def _warnings(chosen: DeviceParameters, driver: Driver, device: DeviceDescription) -> Iterator[str]:
    if not chosen.stride_gate:
        yield "stride_gate is off: torque does not wait until the wearer walks"
    if not chosen.require_bench_check:
        yield "require_bench_check is off: nobody has to check signs and zeros before torque"
    imu = getattr(getattr(driver, "config", None), "imu", None)
    if imu is not None and imu.source == "none":
        yield "there is no IMU (imu.source: none): a fall is not noticed"
    cool = [name for name, joint in device.joints.items() if joint.continuous_torque_nm is None]
    if cool:
        yield f"{', '.join(cool)} have no continuous_torque_nm: a motor without a temperature sensor may grow hot"

# SPDX-License-Identifier: Apache-2.0
"""A third end of the motor bus that only listens: what the motors are asked for, whether they live or not."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from exo_device.drivers import make_driver
from exo_device.drivers.can.port import PortError, PythonCanPort
from exo_device.drivers.cubemars_can.codec import MitCommand

WAIT_S = 0.02


class BusTap:
    """Listens from entering to leaving."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        """settings: of the driver cubemars_can."""
        config = make_driver("cubemars_can", settings).config
        self._codecs = [motor.codec() for motor in config.motors.values()]
        self._port = PythonCanPort(config.interface, config.channel, config.bitrate, config.bus_options)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="bus_tap", daemon=True)
        #: Steady time (s) of the newest frame that asked a motor for torque.
        self.asked_until_s = 0.0

    @property
    def age_s(self) -> float:
        """Time (s) since that frame."""
        return time.monotonic() - self.asked_until_s

    def __enter__(self) -> BusTap:
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stop.set()
        self._thread.join()
        self._port.close()

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                frame = self._port.receive(WAIT_S)
            except PortError:
                continue
            for codec in self._codecs if frame else ():
                order = codec.decode_command(frame)
                # no code of the torque field is exactly zero
                if isinstance(order, MitCommand) and abs(order.torque) > codec.reply_steps[2]:
                    self.asked_until_s = time.monotonic()

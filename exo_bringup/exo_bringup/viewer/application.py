# SPDX-License-Identifier: Apache-2.0
"""The viewer as a whole: page, listener and services on one node, and a figure that fits the graph."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rclpy.node import Node

from exo_bringup.viewer.access import make_access
from exo_bringup.viewer.figure import Figure
from exo_bringup.viewer.page import Page, persons
from exo_bringup.viewer.ros import Listener, Services
from exo_sim.body.subject import Subject, load_subject

#: Rate while nobody looks (Hz): enough to gather curves over the stride.
IDLE_RATE_HZ = 10.0


@dataclass(frozen=True)
class ViewerOptions:
    """What a user chooses. Without a subject the default one stands there until the simulator says who walks;
    without a device file the device node is asked for its own."""

    subject_file: str = ""
    device_file: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    frame_rate_hz: float = 30.0


class Application:
    """Raises a ValueError of one line for options that cannot work."""

    def __init__(self, node: Node, options: ViewerOptions):
        self._node, self._options = node, options
        self._services = Services(node, self._report)
        self._subject: Subject = load_subject(options.subject_file)
        self._device_file = options.device_file
        self._outdated = True
        self._device_was_there = False
        figure = self._make_figure()
        access = make_access(options.host, options.port)
        self.page = Page(access, self._services, persons(), options.frame_rate_hz)
        self._listener = Listener(node, self.page.memory.add_stride, self._take_person)
        self.page.show(figure)

    def frame(self) -> None:
        """Draw the latest."""
        if self._outdated:
            self._rebuild()
        self.page.frame(self._listener.snapshot, self._listener.device_time_s)

    @property
    def rate_hz(self) -> float:
        """How often to call `frame` (Hz)."""
        rate = self.page.stage.rate_hz
        return rate if self.page.watched else min(IDLE_RATE_HZ, rate)

    def look_for_graph(self) -> None:
        """Ask a device node that has come, or come back, for its description. Call it now and then."""
        there = self._services.device_is_there
        if there and not self._device_was_there and not self._options.device_file:
            self._services.ask_device_file(self._take_device_file)
        self._device_was_there = there

    def close(self) -> None:
        """Let the browsers go."""
        self.page.close()

    def _take_device_file(self, path: str) -> None:
        if path != self._device_file and Path(path).is_file():
            self._device_file, self._outdated = path, True

    def _take_person(self, person: Subject) -> None:
        size = (person.height_m, person.mass_kg)
        self._outdated = self._outdated or size != (self._subject.height_m, self._subject.mass_kg)
        if person != self._subject:
            self.page.memory.forget_costs()
        self._subject = person

    def _make_figure(self) -> Figure:
        self._outdated = False
        return Figure(self._subject, self._device_file)

    def _rebuild(self) -> None:
        try:
            self.page.show(self._make_figure())
        except ValueError as error:
            self._complain(f"the figure stays as it was: {error}")

    def _report(self, what: str, done: bool, text: str) -> None:
        news = f"{what}: {text}" if text else f"{what}: done"
        self.page.tell(news if done else f"{what} did not work: {text}")
        if not done:
            self._node.get_logger().warning(news)

    def _complain(self, text: str) -> None:
        self.page.tell(text)
        self._node.get_logger().warning(text)

# SPDX-License-Identifier: Apache-2.0
"""The page as a whole: server, gate, scene, plots and controls, and what happens in one frame."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import time
from collections.abc import Mapping

import viser

from exo_bringup.viewer.access import Access, hidden_host
from exo_bringup.viewer.controls import Actions, Controls
from exo_bringup.viewer.figure import Figure
from exo_bringup.viewer.gate import Gate
from exo_bringup.viewer.memory import Memory
from exo_bringup.viewer.plots import Plots
from exo_bringup.viewer.snapshot import Snapshot
from exo_bringup.viewer.stage import Stage
from exo_bringup.viewer.status_text import simulated, status_text
from exo_core.errors import UserError
from exo_sim.body.subject import Subject

#: Plots and text are drawn this often (Hz); the scene has a rate of its own.
PLOT_RATE_HZ = 5.0
#: A port that is taken is passed over, for this many in all: another graph may run on this machine.
PORTS_TRIED = 10
TITLE = "exo_gait"


class Page:
    """Serves one page to any number of browsers.

    Args:
        access: where to listen, and to whom.
        actions: what the buttons do.
        persons: subjects to choose from.
        rate_hz: pictures of the scene per second; the page can change it.

    Raises:
        UserError: the port cannot be had.
    """

    def __init__(self, access: Access, actions: Actions, persons: Mapping[str, Subject], rate_hz: float = 30.0):
        with contextlib.redirect_stdout(io.StringIO()):  # viser would print an address behind the gate
            self.server = viser.ViserServer(host=hidden_host(), port=0, label=TITLE, verbose=False)
        self.memory = Memory()
        self.news = ""
        self.frames = 0
        self._plots_due_s = 0.0
        # the button would open a tunnel through a server on the internet
        self.server.gui.configure_theme(show_logo=False, show_share_button=False)
        self.stage = Stage(self.server)
        self.stage.rate_hz = rate_hz
        self.controls = Controls(self.server, actions, self.stage, persons)
        self.plots = Plots(self.server)
        try:
            self.gate = _first_free(access, (self.server.get_host(), self.server.get_port()))
        except UserError:
            self.server.stop()
            raise
        self.address = access.address(self.gate.port)

    @property
    def watched(self) -> bool:
        """Whether a browser shows the page."""
        return bool(self.server.get_clients())

    def show(self, figure: Figure) -> None:
        """Take another figure."""
        self.stage.show(figure)

    def tell(self, news: str) -> None:
        """Show a line of news."""
        self.news = news

    def frame(self, now: Snapshot, device_time_s: float) -> None:
        """Draw the latest; next to nothing when nobody looks."""
        monotonic_s = time.monotonic()
        self.memory.add(now, device_time_s)
        if not self.watched:
            return
        self.frames += 1
        self.stage.update(now, simulated(now, monotonic_s))
        if monotonic_s >= self._plots_due_s:
            self._plots_due_s = monotonic_s + 1.0 / PLOT_RATE_HZ
            self.plots.update(now, self.memory)
            self.controls.status.content = status_text(now, monotonic_s, self.news)
            self.controls.show_speed(now.commanded_speed_mps)

    def close(self) -> None:
        """Let the browsers go."""
        self.gate.close()
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()


def _first_free(access: Access, inner: tuple[str, int]) -> Gate:
    """A gate on the first port that can be had. Raises UserError when none of them can."""
    last = access.port + PORTS_TRIED - 1 if access.port else 0
    for port in range(access.port, last):
        try:
            return Gate(dataclasses.replace(access, port=port), inner)
        except UserError:
            continue
    return Gate(dataclasses.replace(access, port=last), inner)

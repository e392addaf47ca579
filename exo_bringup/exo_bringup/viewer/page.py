# SPDX-License-Identifier: Apache-2.0
"""The page as a whole: server, scene, plots and controls, and what happens in one frame."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Mapping

import viser

from exo_bringup.viewer.access import Access, free_port, guarded
from exo_bringup.viewer.controls import Actions, Controls
from exo_bringup.viewer.figure import Figure
from exo_bringup.viewer.memory import Memory
from exo_bringup.viewer.plots import Plots
from exo_bringup.viewer.snapshot import Snapshot
from exo_bringup.viewer.stage import Stage
from exo_bringup.viewer.status_text import simulated, status_text
from exo_sim.body.subject import Subject

#: Plots and text are drawn this often (Hz); the scene has a rate of its own.
PLOT_RATE_HZ = 5.0
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
        port = free_port(access.host, access.port)
        with contextlib.redirect_stdout(io.StringIO()), guarded(access):  # viser would print its own address
            self.server = viser.ViserServer(host=access.host, port=port, label=TITLE, verbose=False)
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
        self.port = self.server.get_port()
        #: What to open in a browser: without the token for everybody, with it for who started the viewer.
        self.address, self.link = access.address(self.port), access.link(self.port)

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
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

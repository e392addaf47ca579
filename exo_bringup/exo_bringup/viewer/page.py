# SPDX-License-Identifier: Apache-2.0
"""The page: server, scene, plots, buttons, and what happens in one frame."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import viser

from exo_bringup.viewer.access import Access, free_port, guarded
from exo_bringup.viewer.figure import Figure
from exo_bringup.viewer.plots import Plots
from exo_bringup.viewer.stage import Stage
from exo_bringup.viewer.state import Memory, Snapshot, simulated, status_text
from exo_policy.controllers import CONTROLLERS
from exo_sim.body.subject import Subject, load_subject, make_impairments
from exo_sim.plant.simulation import SPEED_RANGE_MPS
from exo_sim.subjects import SUBJECT_FOLDER, presets

if TYPE_CHECKING:
    from exo_bringup.viewer.ros import Services

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

    def __init__(self, access: Access, actions: Services, persons: Mapping[str, Subject], rate_hz: float = 30.0):
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


#: The impairment that leaves a person as the file says.
OWN = "as in the file"
#: Named patients by what the page calls them.
PATIENTS: dict[str, str] = {name.replace("_", " "): name for name in presets()}
IMPAIRMENTS = (OWN, *PATIENTS)


def persons(folder: Path | None = None) -> dict[str, Subject]:
    """Subjects of the YAML files in a folder (config/subjects), by what the page calls them.

    Raises:
        SimError: one of the files cannot be used.
    """
    folder = folder or SUBJECT_FOLDER
    subjects = [load_subject(path) for path in sorted(folder.glob("*.yaml"))]
    subjects.sort(key=lambda subject: (subject.name != "default", subject.name))
    return {
        f"{subject.name.replace('_', ' ')}: {subject.height_m:.2f} m, {subject.mass_kg:.0f} kg": subject
        for subject in subjects
    }


def impairments(subject: Subject, choice: str) -> str:
    """What sim/set_subject is to be told: the person's own impairments, or those of a named patient.

    Raises:
        KeyError: no such impairment.
    """
    own = subject if choice == OWN else make_impairments(f"preset: {PATIENTS[choice]}")
    return own.text()


PANEL_WIDTH_PX = 300
#: What slow motion and the strength of assistance can be set to.
PACES = {"real time": 1.0, "1/2": 0.5, "1/4": 0.25, "1/10": 0.1}
LARGEST_STRENGTH_PERCENT, STRENGTH_STEP_PERCENT = 150, 10
SPEED_STEP_MPS = 0.05
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1, 60
STOP_RED = (200, 0, 0)
NO_ASSISTANCE = "zero"


class Controls:
    """The panel at the page's right.

    Args:
        server: to make the panel on.
        actions: what the buttons do.
        stage: what the view settings are about.
        persons: subjects to choose from, by their text.
    """

    def __init__(self, server: viser.ViserServer, actions: Services, stage: Stage, persons: Mapping[str, Subject]):
        self._gui, self._actions, self._stage, self._persons = server.gui, actions, stage, persons
        self._seen_speed: float | None = None
        server.gui.main_panel.dock_right()
        server.gui.main_panel.set_width(PANEL_WIDTH_PX)
        self.status = server.gui.add_markdown("waiting for the graph ...")
        self._device()
        self._assistance()
        self._walk()
        self._person()
        self._view()

    def show_speed(self, speed_mps: float) -> None:
        """Move the slider to a speed (m/s) that others have asked for."""
        if speed_mps != self._seen_speed and speed_mps > 0.0:
            self._seen_speed = speed_mps
            self._speed.value = min(max(speed_mps, self._speed.min), self._speed.max)

    def _device(self) -> None:
        gui, actions = self._gui, self._actions
        stop = gui.add_button("STOP", color=STOP_RED)
        stop.on_click(lambda _: actions.stop())
        # viser's buttons have one height; the page's own element carries the handle's id
        gui.add_html(
            f"<style>[id='{stop._impl.uuid}'] {{height: 4.2em !important; font-size: 1.5em; font-weight: 700;"
            " letter-spacing: 0.08em}</style>"
        )
        gui.add_button("Arm", color="green").on_click(lambda _: actions.arm())
        gui.add_button("Disarm", color="gray").on_click(lambda _: actions.disarm())

    def _assistance(self) -> None:
        gui, actions = self._gui, self._actions
        with gui.add_folder("Assistance"):
            switch = gui.add_button_group("Torque", ("on", "off"))
            names = [name for name in CONTROLLERS if name != NO_ASSISTANCE]
            controller = gui.add_dropdown("Controller", names, initial_value="spline")
            strength = gui.add_slider(
                "Strength %",
                0,
                LARGEST_STRENGTH_PERCENT,
                STRENGTH_STEP_PERCENT,
                100,
                hint="of the spline controller's peaks",
            )
        switch.on_click(lambda _: actions.load(controller.value if switch.value == "on" else NO_ASSISTANCE))

        def choose(event) -> None:
            strength.disabled = controller.value != "spline"
            if event.client is not None:
                actions.load(controller.value)

        controller.on_update(choose)
        strength.on_update(_by_a_person(lambda: actions.set_strength(strength.value / 100.0)))

    def _walk(self) -> None:
        gui, actions = self._gui, self._actions
        low, high = SPEED_RANGE_MPS
        with gui.add_folder("Walk"):
            self._speed = gui.add_slider("Speed m/s", low, high, SPEED_STEP_MPS, 1.25)
            pace = gui.add_dropdown("Pace", tuple(PACES), initial_value="real time")
            time = gui.add_button_group("Time", ("pause", "run", "reset"))
        self._speed.on_update(_by_a_person(lambda: actions.set_speed(self._speed.value)))
        pace.on_update(_by_a_person(lambda: actions.set_pace(PACES[pace.value])))
        time.on_click(lambda _: actions.reset() if time.value == "reset" else actions.pause(time.value == "pause"))

    def _person(self) -> None:
        gui = self._gui
        with gui.add_folder("Person"):
            person = gui.add_dropdown("Body", tuple(self._persons))
            impairment = gui.add_dropdown("Impairment", IMPAIRMENTS)

        def apply() -> None:
            subject = self._persons[person.value]
            self._actions.set_subject(subject.height_m, subject.mass_kg, impairments(subject, impairment.value))

        person.on_update(_by_a_person(apply))
        impairment.on_update(_by_a_person(apply))

    def _view(self) -> None:
        gui, stage = self._gui, self._stage
        with gui.add_folder("View", expand_by_default=False):
            follow = gui.add_checkbox("Follow the person", True)
            for what in ("bones", "muscles", "device", "arrows"):
                shown = gui.add_checkbox(what.capitalize(), True)
                shown.on_update(lambda _, what=what, shown=shown: stage.set_visible(what, shown.value))

            rate = gui.add_slider(
                "Pictures/s",
                LOWEST_RATE_HZ,
                HIGHEST_RATE_HZ,
                1,
                min(max(round(stage.rate_hz), LOWEST_RATE_HZ), HIGHEST_RATE_HZ),
                hint="fewer for a browser without a GPU, so that its buttons answer at once",
            )

        def set_follow(_) -> None:
            stage.follow = follow.value

        def set_rate(_) -> None:
            stage.rate_hz = float(rate.value)

        follow.on_update(set_follow)
        rate.on_update(set_rate)


def _by_a_person(action):
    """Callback of an input that acts when somebody on a page moved it, not when the viewer itself did."""
    return lambda event: action() if event.client is not None else None

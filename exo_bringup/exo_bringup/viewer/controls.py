# SPDX-License-Identifier: Apache-2.0
"""The page's buttons and sliders. Each calls a service through `Actions`, in a thread of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import viser

from exo_bringup.viewer.people import IMPAIRMENTS, impairments
from exo_bringup.viewer.stage import Stage
from exo_policy.controllers import CONTROLLERS
from exo_sim.body.subject import Subject
from exo_sim.plant.simulation import SPEED_RANGE_MPS

PANEL_WIDTH_PX = 300
#: What slow motion and the strength of assistance can be set to.
PACES = {"real time": 1.0, "1/2": 0.5, "1/4": 0.25, "1/10": 0.1}
LARGEST_STRENGTH_PERCENT, STRENGTH_STEP_PERCENT = 150, 10
SPEED_STEP_MPS = 0.05
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 1, 60
STOP_RED = (200, 0, 0)
NO_ASSISTANCE = "zero"


class Actions(Protocol):
    """What the controls ask for: see services.Services."""

    def stop(self) -> None: ...
    def arm(self) -> None: ...
    def disarm(self) -> None: ...
    def load(self, controller: str) -> None: ...
    def set_strength(self, share: float) -> None: ...
    def pause(self, paused: bool) -> None: ...
    def reset(self) -> None: ...
    def set_speed(self, speed_mps: float) -> None: ...
    def set_pace(self, pace: float) -> None: ...
    def set_subject(self, height_m: float, mass_kg: float, impairments: str) -> None: ...


class Controls:
    """The panel at the page's right.

    Args:
        server: to make the panel on.
        actions: what the buttons do.
        stage: what the view settings are about.
        persons: subjects to choose from, by their text.
    """

    def __init__(self, server: viser.ViserServer, actions: Actions, stage: Stage, persons: Mapping[str, Subject]):
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

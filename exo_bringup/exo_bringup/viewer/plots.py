# SPDX-License-Identifier: Apache-2.0
"""The live plots at the page's left."""

from __future__ import annotations

import numpy as np
import viser

from exo_bringup.viewer.state import ANGLE_JOINTS, WINDOW_S, Memory, Snapshot
from exo_core.joints import SIDES
from exo_lab.report.style import COLOURS, NORM_LINE
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, muscles_of
from exo_sim.errors import GaitError
from exo_sim.gait.curves import PHASE_PERCENT
from exo_sim.gait.reference import NormativeGait
from exo_sim.gait.variables import ANGLES

HEIGHT_PX, PANEL_WIDTH_PX = 120, 330
JOINT_LABELS = {
    "hip_flexion": "hip flexion",
    "knee_angle": "knee flexion",
    "ankle_angle": "ankle dorsiflexion",
}
#: Range of each angle's axis (deg).
ANGLE_RANGES = {"hip_flexion": (-30.0, 55.0), "knee_angle": (-10.0, 80.0), "ankle_angle": (-35.0, 30.0)}
#: Range of the torque's axis at least (Nm), and the steps by which it grows.
TORQUE_RANGE_NM, TORQUE_STEP_NM = 20.0, 10.0
#: Range of the cost's axis (W/kg): people walk at 3 to 5.
COST_RANGE = (2.0, 8.0)
#: The band changes with speed; new ones are made in steps of this (m/s).
SPEED_STEP_MPS = 0.05
#: Right and left, told apart with any kind of colour vision (Okabe and Ito), and lines that are no sides.
SIDE_COLOURS = {"r": "#D55E00", "l": "#0072B2"}
LINE_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#999999", "#000000")
NORM_FILL = "rgba(160,160,160,0.35)"
#: The band beside whoever walks, see exo_lab.report.style.NORM_WORDS.
WHOSE_NORM = "children (Schwartz 2008)"
SIDE_LABELS = {"r": "right", "l": "left"}


class Plots:
    """Angle over the normative band, torque, activation and cost.

    Args:
        server: to make the panel on.
    """

    def __init__(self, server: viser.ViserServer):
        self._server = server
        self._speed_step: int | None = None
        self._norm: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._torque_plot = self._torque_names = None
        self._activation_plot = self._activation_names = None
        self._torque_range = TORQUE_RANGE_NM
        gui = server.gui
        panel = gui.add_panel()
        with panel.add_tab("Live"):
            self._joint = gui.add_dropdown(
                "Joint angle", [JOINT_LABELS[joint] for joint in ANGLE_JOINTS], initial_value="knee flexion"
            )
            self._angle = self._angle_plot()
            self._torque_folder = gui.add_folder("Torque of the device (Nm)")
            self._group = gui.add_dropdown("Muscles", GROUPS_BY_SIDE, initial_value="plantarflexors_r")
            self._activation_folder = gui.add_folder("Activation")
            with gui.add_folder("Metabolic power (W/kg)"):
                self._cost = self._cost_plot()
                self._cost_text = gui.add_markdown("")
        panel.dock_left()
        panel.set_width(PANEL_WIDTH_PX)
        self._joint.on_update(lambda _: self._rescale_angle())

    def update(self, now: Snapshot, memory: Memory) -> None:
        """Draw what is known."""
        self._update_norm(now.commanded_speed_mps)
        self._update_angle(memory)
        self._update_torque(memory)
        self._update_activation(memory)
        self._update_cost(memory)

    @property
    def _chosen_joint(self) -> str:
        return next(joint for joint, label in JOINT_LABELS.items() if label == self._joint.value)

    def _angle_plot(self):
        nothing = np.full(len(PHASE_PERCENT), np.nan)
        return self._server.gui.add_uplot(
            (PHASE_PERCENT.astype(float), *[nothing] * 4),
            (
                {"label": "stride %"},
                {"label": f"{WHOSE_NORM} + SD", "stroke": NORM_LINE, "width": 0.5, "points": {"show": False}},
                {"label": f"{WHOSE_NORM} - SD", "stroke": NORM_LINE, "width": 0.5, "points": {"show": False}},
                *({"label": SIDE_LABELS[side], "stroke": SIDE_COLOURS[side], "width": 2} for side in SIDES),
            ),
            bands=({"series": (1, 2), "fill": NORM_FILL},),
            scales={"x": {"time": False, "range": (0, 100)}, "y": {"range": ANGLE_RANGES["knee_angle"]}},
            axes=({"size": 30}, {"size": 44}),
            legend={"show": False},
            height=HEIGHT_PX,
        )

    def _rescale_angle(self) -> None:
        self._angle.scales = {
            "x": {"time": False, "range": (0, 100)},
            "y": {"range": ANGLE_RANGES[self._chosen_joint]},
        }

    def _update_norm(self, speed_mps: float) -> None:
        if not np.isfinite(speed_mps) or round(speed_mps / SPEED_STEP_MPS) == self._speed_step:
            return
        self._speed_step = round(speed_mps / SPEED_STEP_MPS)
        try:
            norm = NormativeGait(self._speed_step * SPEED_STEP_MPS)
        except GaitError:
            self._norm = {}  # a speed that nobody measured
            return
        for joint in ANGLE_JOINTS:
            curve = norm.curve(ANGLES[joint][0])
            self._norm[joint] = (curve.mean + curve.sd, curve.mean - curve.sd)

    def _update_angle(self, memory: Memory) -> None:
        joint = self._chosen_joint
        nothing = np.full(len(PHASE_PERCENT), np.nan)
        upper, lower = self._norm.get(joint, (nothing, nothing))
        curves = [memory.angle_deg[joint, side].values for side in SIDES]
        self._angle.data = (PHASE_PERCENT.astype(float), upper, lower, *curves)

    def _update_torque(self, memory: Memory) -> None:
        if memory.torque is None:
            return
        times, values = memory.torque.columns()
        largest = np.nanmax(np.abs(values), initial=0.0)
        needed = max(TORQUE_RANGE_NM, TORQUE_STEP_NM * np.ceil(largest / TORQUE_STEP_NM))
        if memory.torque_names != self._torque_names or needed > self._torque_range:
            self._torque_names, self._torque_range = memory.torque_names, needed
            if self._torque_plot is not None:
                self._torque_plot.remove()
            labels = [name.replace("_", " ") for name in memory.torque_names]
            with self._torque_folder:
                self._torque_plot = self._time_plot(labels, (-needed, needed))
        self._torque_plot.data = _over_time(times, values)

    def _update_activation(self, memory: Memory) -> None:
        if memory.activation is None:
            return
        wanted = [name for name in muscles_of(self._group.value) if name in memory.muscle_names]
        if wanted != self._activation_names:
            self._activation_names = wanted
            if self._activation_plot is not None:
                self._activation_plot.remove()
            with self._activation_folder:
                self._activation_plot = self._time_plot(wanted, (0.0, 1.0))
        times, values = memory.activation.columns()
        columns = [memory.muscle_names.index(name) for name in wanted]
        self._activation_plot.data = _over_time(times, values[:, columns])

    def _time_plot(self, labels: list[str], limits: tuple[float, float]):
        lines = tuple(
            {
                "label": label,
                "stroke": LINE_COLOURS[i % len(LINE_COLOURS)],
                "width": 1.5,
                "points": {"show": False},
            }
            for i, label in enumerate(labels)
        )
        return self._server.gui.add_uplot(
            (np.array([-WINDOW_S, 0.0]), *[np.full(2, np.nan)] * len(labels)),
            ({"label": "s"}, *lines),
            scales={"x": {"time": False, "range": (-WINDOW_S, 0.0)}, "y": {"range": limits}},
            axes=({"size": 30}, {"size": 44}),
            legend={"show": True, "live": False},
            height=HEIGHT_PX,
        )

    def _cost_plot(self):
        points = {"show": True, "size": 5}
        kinds = (("without", COLOURS["unassisted"]), ("with", COLOURS["assisted"]))
        return self._server.gui.add_uplot(
            (np.array([0.0, 1.0]), *[np.full(2, np.nan)] * 2),
            (
                {"label": "stride"},
                *(
                    {"label": label, "stroke": colour, "width": 0, "points": {**points, "fill": colour}}
                    for label, colour in kinds
                ),
            ),
            scales={"x": {"time": False}, "y": {"range": COST_RANGE}},
            axes=({"size": 30}, {"size": 44}),
            legend={"show": False},
            height=HEIGHT_PX,
        )

    def _update_cost(self, memory: Memory) -> None:
        strides = memory.cost.strides
        if len(strides) >= 2:
            times = np.array([stride.time_s for stride in strides])
            order = np.argsort(times, kind="stable")
            kinds = [
                np.array([s.power_w_per_kg if s.assisted is kind else np.nan for s in strides])[order]
                for kind in (False, True)
            ]
            self._cost.data = (times[order], *kinds)
        self._cost_text.content = memory.cost.text()


def _over_time(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, ...]:
    """Columns for a plot whose time ends at zero."""
    return (times - times[-1], *values.T)

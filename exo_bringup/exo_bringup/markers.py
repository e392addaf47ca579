# SPDX-License-Identifier: Apache-2.0
"""human/markers: muscles coloured by activation, ground reaction force and device torque as arrows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from geometry_msgs.msg import Point
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray

from exo_bringup import look

BASE_LINK, ODOM = "base_link", "odom"
MUSCLES, FORCE, TORQUE = "muscles", "ground_reaction_force", "device_torque"
#: A muscle's line, thin at rest and thicker in action (m).
THINNEST_M, THICKEST_M = 0.004, 0.012
#: Lengths of arrows: a body weight of 75 kg comes out at 0.9 m, 37 Nm of ankle torque at 0.3 m.
METRES_PER_NEWTON, METRES_PER_NEWTON_METRE = 0.9 / 735.0, 0.3 / 37.0
SHAFT_M, HEAD_WIDTH_M, HEAD_LENGTH_M = 0.015, 0.035, 0.05
#: Shorter arrows are not drawn (m): RViz warns about arrows without length.
SHORTEST_ARROW_M = 0.01


class MarkerBuilder:
    """Builds the marker array; messages are kept and filled anew: making 80 of them costs milliseconds."""

    def __init__(self):
        self._muscles: dict[str, Marker] = {}
        self._arrows: dict[tuple[str, int], Marker] = {}
        self.array = MarkerArray()

    def muscles(self, paths: Mapping[str, np.ndarray], activation: Mapping[str, float], stamp) -> None:
        """Lines along paths (P, 3) in base_link, coloured by activation (0 to 1; unknown: relaxed)."""
        for name, path in paths.items():
            marker = self._muscles.get(name) or self._new_muscle(name)
            level = float(np.clip(activation.get(name, 0.0), 0.0, 1.0))
            red, green, blue = look.MUSCLE_RELAXED + level * (look.MUSCLE_ACTIVE - look.MUSCLE_RELAXED)
            marker.header.stamp = stamp
            marker.scale.x = THINNEST_M + level * (THICKEST_M - THINNEST_M)
            marker.color = ColorRGBA(r=red, g=green, b=blue, a=1.0)
            if len(marker.points) != len(path):
                marker.points = [Point() for _ in path]
            for point, (x, y, z) in zip(marker.points, path.tolist(), strict=False):
                point.x, point.y, point.z = x, y, z

    def force(self, identity: int, foot: np.ndarray, force: np.ndarray, stamp) -> None:
        """Arrow from the centre of pressure (3,) along a force (3,) in N, both in odom."""
        self._arrow(FORCE, identity, ODOM, foot, force * METRES_PER_NEWTON, look.FORCE, stamp)

    def torque(self, identity: int, link: str, axis: np.ndarray, torque: float, stamp) -> None:
        """Arrow at a link's origin along the joint's axis (3,), as long as the torque (Nm), right-handed."""
        self._arrow(TORQUE, identity, link, np.zeros(3), axis * torque * METRES_PER_NEWTON_METRE, look.TORQUE, stamp)

    def _new_muscle(self, name: str) -> Marker:
        marker = Marker(ns=MUSCLES, id=len(self._muscles), type=Marker.LINE_STRIP, action=Marker.ADD, text=name)
        marker.header.frame_id = BASE_LINK
        marker.pose.orientation.w = 1.0
        self._muscles[name] = marker
        self.array.markers.append(marker)
        return marker

    def _arrow(
        self,
        namespace: str,
        identity: int,
        frame: str,
        start: np.ndarray,
        along: np.ndarray,
        colour: tuple[float, float, float],
        stamp,
    ) -> None:
        key = (namespace, identity)
        if key not in self._arrows:
            red, green, blue = colour
            tint = ColorRGBA(r=red, g=green, b=blue, a=1.0)
            self._arrows[key] = Marker(ns=namespace, id=identity, type=Marker.ARROW, color=tint)
            self._arrows[key].header.frame_id = frame
            self._arrows[key].pose.orientation.w = 1.0
            self.array.markers.append(self._arrows[key])
        marker = self._arrows[key]
        marker.header.stamp = stamp
        visible = bool(np.isfinite(start).all() and np.linalg.norm(along) > SHORTEST_ARROW_M)
        marker.action = Marker.ADD if visible else Marker.DELETE
        if visible:
            marker.scale.x, marker.scale.y, marker.scale.z = SHAFT_M, HEAD_WIDTH_M, HEAD_LENGTH_M
            marker.points = [Point(x=float(x), y=float(y), z=float(z)) for x, y, z in (start, start + along)]

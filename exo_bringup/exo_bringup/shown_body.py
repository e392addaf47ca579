# SPDX-License-Identifier: Apache-2.0
"""One subject in one device, as RViz is told about it: URDF, where its links and muscles are, torque axes."""

from __future__ import annotations

from exo_bringup.body_pose import BodyPose
from exo_bringup.robot_state import RobotState
from exo_bringup.urdf_export import ANY_PHYSICS_RATE_HZ, subject_urdf
from exo_device.description import DeviceDescription
from exo_sim.body.model import build_body
from exo_sim.body.subject import Subject, make_subject


class ShownBody:
    """Built once for a size of the subject; strengths do not show.

    Attributes:
        description: the URDF.
        state: transforms of its joints.
        pose: muscle paths and coupled joints.
        torque_axes: link and axis (3,) in that link's frame, by driven joint.
    """

    def __init__(self, subject: Subject, device: DeviceDescription | None):
        body = build_body(subject, device, ANY_PHYSICS_RATE_HZ)
        self.subject, self._device = subject, device
        self.description = subject_urdf(body)
        self.state = RobotState(self.description)
        self.pose = BodyPose(body)
        self.torque_axes = {joint: self.pose.joint_axis(joint) for joint in body.exo_joints}

    def resized(self, height_m: float, mass_kg: float) -> ShownBody:
        """The body of this height (m) and mass (kg): itself where it has them already.

        Raises SimError for a size that the subject may not have.
        """
        if (height_m, mass_kg) == (self.subject.height_m, self.subject.mass_kg):
            return self
        fields = {**self.subject.model_dump(), "height_m": height_m, "mass_kg": mass_kg}
        return ShownBody(make_subject(fields, "human/subject"), self._device)

# SPDX-License-Identifier: Apache-2.0
"""Scales MyoLegs to a person's height and mass before it is compiled.

Lengths scale with height (segments, muscle paths, contact geometry, the knee's coupled translations, and with the
paths the muscles' operating lengths, hence optimal fibre and tendon slack lengths). Segment masses scale with body
mass, inertias with mass times length squared, maximum isometric forces with mass^(2/3), as a cross-section does
(Jaric 2002, Sports Med 32:615).
"""

from __future__ import annotations

import mujoco

from exo_sim.body.subject import Subject

#: Maximum isometric force grows with muscle cross-section: mass to this power.
STRENGTH_MASS_EXPONENT = 2.0 / 3.0

_GAIN_FORCE = 2  # index of the maximum isometric force in gainprm and biasprm of a MuJoCo muscle


def scale_spec(spec: mujoco.MjSpec, subject: Subject) -> None:
    """Scales every length, mass and strength of the body in place; the world and the floor keep their size."""
    length, mass = subject.length_scale, subject.mass_scale
    strength = mass**STRENGTH_MASS_EXPONENT
    if length == 1.0 and mass == 1.0:
        return
    world = {geom.name for geom in spec.worldbody.geoms}
    for body in spec.bodies:
        if body.name == "world":
            continue
        body.pos = body.pos * length
        body.ipos = body.ipos * length
        body.mass = body.mass * mass
        body.inertia = body.inertia * mass * length**2
        if body.fullinertia[0] == body.fullinertia[0]:  # NaN where it is not given
            body.fullinertia = body.fullinertia * mass * length**2
    for geom in spec.geoms:
        if geom.name in world:
            continue
        geom.pos = geom.pos * length
        geom.size = geom.size * length
        if geom.fromto[0] == geom.fromto[0]:
            geom.fromto = geom.fromto * length
        # some segments take their mass from their geoms: by density, which must give up the growth in volume
        geom.density = geom.density * mass / length**3
        geom.mass = geom.mass * mass  # NaN where it is not given
    for site in spec.sites:
        site.pos = site.pos * length
        site.size = site.size * length
    for mesh in spec.meshes:
        mesh.scale = mesh.scale * length
    sliding = set()
    for joint in spec.joints:
        joint.pos = joint.pos * length
        if joint.type == mujoco.mjtJoint.mjJNT_SLIDE:
            sliding.add(joint.name)
            joint.range = joint.range * length
    for equality in spec.equalities:
        if equality.type == mujoco.mjtEq.mjEQ_JOINT and equality.name1 in sliding:
            data = equality.data.copy()
            data[:5] *= length  # a polynomial from angle to translation
            equality.data = data
    for actuator in spec.actuators:
        if actuator.dyntype != mujoco.mjtDyn.mjDYN_MUSCLE:
            continue
        actuator.lengthrange = actuator.lengthrange * length
        for attribute in ("gainprm", "biasprm"):
            values = getattr(actuator, attribute).copy()
            values[_GAIN_FORCE] *= strength
            setattr(actuator, attribute, values)

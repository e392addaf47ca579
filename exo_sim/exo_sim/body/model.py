# SPDX-License-Identifier: Apache-2.0
"""Composes MyoLegs, a floor and an exoskeleton into one MuJoCo model, and knows where everything is in it.

Size: lengths scale with height (segments, muscle paths, contact geometry, the knee's coupled translations, and with the
paths the muscles' operating lengths, hence optimal fibre and tendon slack lengths). Segment masses scale with body
mass, inertias with mass times length squared, maximum isometric forces with mass^(2/3), as a cross-section does
(Jaric 2002, Sports Med 32:615).
"""

from __future__ import annotations

import copy
import math
import warnings
from dataclasses import dataclass, field, replace
from functools import lru_cache

import mujoco
import myo_sim
import numpy as np

from exo_core.joints import SIDES
from exo_device.description import DeviceDescription
from exo_sim.body.device_geoms import add_device_geoms
from exo_sim.body.impaired_body import Condition, healthy_condition, impair, memory_size, strength_deficit
from exo_sim.body.impairments import Impairments
from exo_sim.body.muscle_groups import GROUPS_BY_SIDE, strength_by_group, strength_by_muscle
from exo_sim.body.subject import Subject
from exo_sim.errors import SimError
from exo_sim.gait.reference import JOINTS, MODEL_LEG_LENGTH_M

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


#: MuJoCo needs a history of this many commands to realise a delay; commands come at 100 Hz, delays end at 0.1 s.
DELAY_SAMPLES = 64


def exo_actuator_name(joint: str) -> str:
    """Name of the actuator that drives a joint."""
    return f"exo_{joint}"


def exo_body_name(segment: str) -> str:
    """Name of the body that carries a segment's share of the device."""
    return f"exo_{segment}"


def add_exoskeleton(spec: mujoco.MjSpec, device: DeviceDescription) -> None:
    """Adds the device's parts and actuators to the body.

    An actuator's torque acts between the two segments of its joint: it can neither push nor lift the body as a
    whole. Its bandwidth is a first-order low-pass, its delay a dead time, both inside the physics.
    """
    for segment, part in device.segments.items():
        spec.body(segment).add_body(
            name=exo_body_name(segment),
            pos=part.com_m,
            mass=part.mass_kg,
            inertia=part.inertia_kgm2,
            explicitinertial=True,
        )
    for joint, limits in device.joints.items():
        spec.joint(joint).armature = _scalar(spec.joint(joint).armature) + limits.reflected_inertia_kgm2
        actuator = spec.add_actuator(name=exo_actuator_name(joint), target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
        actuator.set_to_motor()
        actuator.dyntype = mujoco.mjtDyn.mjDYN_FILTEREXACT
        actuator.dynprm[0] = 1.0 / (2.0 * math.pi * limits.bandwidth_hz)
        actuator.ctrllimited = actuator.forcelimited = mujoco.mjtLimited.mjLIMITED_TRUE
        actuator.ctrlrange = actuator.forcerange = [-limits.torque_limit_nm, limits.torque_limit_nm]
        actuator.delay = limits.delay_s
        actuator.nsample = DELAY_SAMPLES if limits.delay_s > 0.0 else 0


def _scalar(value) -> float:
    return float(value[0]) if hasattr(value, "__len__") else float(value)


#: Newton iterations of the contact solver; it needs 2 to 4, the bound only caps a bad step.
SOLVER_ITERATIONS = 20
#: Geoms of MyoLegs that stand for the sole.
SOLE_GEOM = "foot_col"
FLOOR_GEOM = "floor"
#: Time constant of the contact between sole and floor (s), which MuJoCo scales by the mass that lands: the heel gives
#: way by 5 mm in standing, on one leg by twice that. A heel pad gives 9 mm in barefoot running (De Clercq et al. 1994, J Biomech 27:1213)
#: and a shoe's sole about as much; MuJoCo's default of 0.02 s (1 mm) hits the floor like a wooden leg, with a peak of
#: force at heel strike that people do not have.
SOLE_TIME_CONSTANT_S = 0.04
PELVIS_BODY = "pelvis"
ROOT_BODY = "Full Body"
FOOT_BODIES = {"r": "calcn_r", "l": "calcn_l"}
IMU_SITE = "exo_imu"
_IMU = "imu_"  # begins the names of its sensors
#: MyoLegs walks along -y with +x to its left; REP-103 walks along +x with +y to the left: v_rep = R v_myo.
MYO_TO_REP103 = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])

# Shortcuts of MuJoCo for larger worlds, which cost 5 % of a step here and change nothing: one person is one
# constraint island, and ten sole shapes need no bounding volume hierarchy.
_DISABLED = int(mujoco.mjtDisableBit.mjDSBL_ISLAND) | int(mujoco.mjtDisableBit.mjDSBL_MIDPHASE)
# A MuJoCo contact sensor's integer parameters: which fields (bit set), how contacts are reduced, how many.
_CONTACT_FORCE_AND_POSITION = (1 << 1) | (1 << 4)
_CONTACT_REDUCE_NETFORCE = 3


@dataclass(frozen=True)
class Coupling:
    """Joints that follow the knee by a quartic polynomial (patella, tibial translation): arrays over couplings."""

    qpos: np.ndarray  #: (C,) qpos address of the follower
    dof: np.ndarray  #: (C,) dof address of the follower
    leader: np.ndarray  #: (C,) index into JOINTS of the joint followed
    polynomial: np.ndarray  #: (C, 5) coefficients, rad to rad or m

    def positions(self, joint_angles: np.ndarray) -> np.ndarray:
        """Follower positions (C,) for joint angles (14,)."""
        powers = joint_angles[self.leader][:, None] ** np.arange(5)
        return (self.polynomial * powers).sum(axis=1)

    def slopes(self, joint_angles: np.ndarray) -> np.ndarray:
        """d follower / d leader (C,) at joint angles (14,)."""
        angle = joint_angles[self.leader][:, None]
        powers = np.arange(1, 5) * angle ** np.arange(4)
        return (self.polynomial[:, 1:] * powers).sum(axis=1)


@dataclass(frozen=True)
class BodyModel:
    """A compiled body with its device and the addresses of what others need, all found by name."""

    model: mujoco.MjModel
    subject: Subject
    device: DeviceDescription | None
    muscles: tuple[str, ...]  #: 80 names, in the order of actuators 0 to 79
    joint_qpos: np.ndarray  #: (14,) qpos addresses of JOINTS
    joint_dof: np.ndarray  #: (14,) dof addresses of JOINTS
    coupling: Coupling
    exo_joints: tuple[str, ...]  #: driven joints, in the device's order
    exo_actuators: np.ndarray  #: (J,) actuator indices
    exo_joint_index: np.ndarray  #: (J,) index into JOINTS
    foot_sensor: dict[str, int]  #: sensordata address of [force (3), position (3)] by side
    sole_geoms: np.ndarray  #: ids of the sole's geoms
    imu_sensor: dict[str, int]  #: sensordata address of orientation (wxyz), gyro and accelerometer
    standing_qpos: np.ndarray  #: (nq,) upright posture
    default_force: np.ndarray = field(repr=False)  #: (80,) maximum isometric force at full strength, N
    strengths: np.ndarray = field(repr=False)  #: (16,) present strength by group, order of GROUPS_BY_SIDE
    condition: Condition = field(repr=False)  #: what else is impaired

    @property
    def body_mass(self) -> float:
        """Mass of the person without device (kg)."""
        return self.total_mass - (self.device.mass_kg if self.device else 0.0)

    @property
    def total_mass(self) -> float:
        """Mass of person and device (kg)."""
        return float(self.model.body_mass.sum())

    @property
    def leg_length_m(self) -> float:
        """Hip height (m)."""
        return MODEL_LEG_LENGTH_M * self.subject.length_scale

    @property
    def gravity(self) -> float:
        """Magnitude of gravity (m/s^2)."""
        return float(-self.model.opt.gravity[2])

    @property
    def deficit(self) -> np.ndarray:
        """How impaired each leg is (2,), right and left: 0 healthy, 1 severe."""
        return np.maximum(strength_deficit(self.strengths), self.condition.deficit)

    def impair(self, impairments: Impairments) -> None:
        """Gives the body these impairments in place of those it has; coordinators then need refresh_strength()."""
        self.set_strengths(impairments.strengths)
        impair(self.model, self.muscles, self.condition, impairments)

    def set_strengths(self, strengths: dict[str, float]) -> None:
        """Scales maximum isometric forces by muscle group and side, or muscle, from the full-strength values.

        Other impairments stay as they are.

        Raises:
            SimError: unknown group, or a strength that is not a finite number from 0 to 2.
        """
        for group, value in strengths.items():
            if not (np.isfinite(value) and 0.0 <= value <= 2.0):
                raise SimError(f"strength of {group} must be between 0 and 2, got {value}")
        force = self.default_force * np.array(strength_by_muscle(strengths, self.muscles))
        count = len(self.muscles)
        self.model.actuator_gainprm[:count, 2] = force
        self.model.actuator_biasprm[:count, 2] = force
        self.strengths[:] = strength_by_group(strengths)

    def own_copy(self) -> BodyModel:
        """The same body with a model of its own, whose impairments, masses and friction can be changed."""
        return replace(
            self, model=copy.copy(self.model), strengths=self.strengths.copy(), condition=self.condition.own_copy()
        )


def build_body(
    subject: Subject,
    device: DeviceDescription | None,
    physics_rate_hz: float,
    visuals: bool = False,
    accelerometer: bool = True,
) -> BodyModel:
    """Builds the body of a subject, with the device strapped on where one is given.

    Args:
        physics_rate_hz: steps of the physics per second (Hz), 200 to 2,000.
        visuals: keep bones and the device's shapes, which are for the eye alone; without them a step is faster.
        accelerometer: of the IMU; nothing else needs the accelerations of all segments, which cost 7 % of a step where
            every step reads the sensors. Who reads DeviceSensors needs it.

    Raises:
        SimError: a rate outside that range.
    """
    if not 200.0 <= physics_rate_hz <= 2000.0:
        raise SimError(f"physics_rate_hz must be between 200 and 2000 Hz, got {physics_rate_hz}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names when attached specs are saved, which we never do
        spec = _walking_spec().copy()
        scale_spec(spec, subject)
        if device is not None:
            add_exoskeleton(spec, device)
            if visuals:
                add_device_geoms(spec, device, subject.length_scale)
        _add_sensors(spec, device, accelerometer)
        muscles = sum(a.dyntype == mujoco.mjtDyn.mjDYN_MUSCLE for a in spec.actuators)
        spec.nuserdata = memory_size(muscles)
        spec.option.timestep = 1.0 / physics_rate_hz
        spec.option.iterations = SOLVER_ITERATIONS
        spec.option.disableflags |= _DISABLED
        spec.compiler.discardvisual = not visuals
        model = spec.compile()
    return _index(model, subject, device)


@lru_cache(maxsize=1)
def _walking_spec() -> mujoco.MjSpec:
    """MyoLegs without what walking does not need: loading and pruning it takes longer than compiling the rest."""
    # MuJoCo warns once of models that are saved, which we never do, and writes a file where the user happens to be
    handler = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda text: None)
    try:
        spec = myo_sim.load_spec("myolegs", build_kwargs={"postures": True})
    finally:
        mujoco.set_mju_user_warning(handler)
    _keep_only_sole_contacts(spec)
    _keep_only_muscle_sites(spec)
    for key in list(spec.keys):
        spec.delete(key)
    return spec


def _keep_only_sole_contacts(spec: mujoco.MjSpec) -> None:
    # The model comes with other terrain and body-body contact pairs; walking needs sole against floor only,
    # which halves the cost of a step.
    for geom in list(spec.geoms):
        if geom.name == FLOOR_GEOM:
            geom.pos = [0.0, 0.0, 0.0]
            geom.solref[0] = SOLE_TIME_CONSTANT_S
        elif SOLE_GEOM in geom.name:
            geom.solref[0] = SOLE_TIME_CONSTANT_S
        else:
            geom.contype = geom.conaffinity = 0
    for pair in list(spec.pairs):
        spec.delete(pair)


def _keep_only_muscle_sites(spec: mujoco.MjSpec) -> None:
    # MyoLegs carries 1,060 sites, two thirds of them attachments of trunk muscles that it does not have. Every
    # step places every site in the world, which would be a tenth of its cost. Its touch sensors miss part of the
    # contact and have no reader.
    for sensor in list(spec.sensors):
        spec.delete(sensor)
    used = {
        site.name
        for tendon in spec.tendons
        for point in tendon.path
        for site in (point.target, point.sidesite)
        if site is not None
    }
    for site in list(spec.sites):
        if site.name not in used:
            spec.delete(site)


def _add_sensors(spec: mujoco.MjSpec, device: DeviceDescription | None, accelerometer: bool) -> None:
    for side, foot in FOOT_BODIES.items():
        spec.add_sensor(
            name=f"grf_{side}",
            type=mujoco.mjtSensor.mjSENS_CONTACT,
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname=foot,
            reftype=mujoco.mjtObj.mjOBJ_GEOM,
            refname=FLOOR_GEOM,
            intprm=[_CONTACT_FORCE_AND_POSITION, _CONTACT_REDUCE_NETFORCE, 1],
        )
    segment, position = (device.imu.segment, device.imu.position_m) if device else (PELVIS_BODY, (0, 0, 0))
    # OpenSim segment axes are x forward, y up, z right; REP-145 wants x forward, y left, z up.
    spec.body(segment).add_site(name=IMU_SITE, pos=position, quat=[np.sqrt(0.5), -np.sqrt(0.5), 0.0, 0.0])
    kinds = {"imu_orientation": mujoco.mjtSensor.mjSENS_FRAMEQUAT, "imu_gyro": mujoco.mjtSensor.mjSENS_GYRO}
    if accelerometer:
        kinds["imu_accelerometer"] = mujoco.mjtSensor.mjSENS_ACCELEROMETER
    for name, kind in kinds.items():
        spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname=IMU_SITE)


def _index(model: mujoco.MjModel, subject: Subject, device: DeviceDescription | None) -> BodyModel:
    joint_ids = [model.joint(name).id for name in JOINTS]
    muscles = tuple(
        model.actuator(i).name for i in range(model.nu) if model.actuator_dyntype[i] == mujoco.mjtDyn.mjDYN_MUSCLE
    )
    exo_joints = device.joint_names if device else ()
    data = mujoco.MjData(model)
    body = BodyModel(
        model=model,
        subject=subject,
        device=device,
        muscles=muscles,
        joint_qpos=model.jnt_qposadr[joint_ids].astype(np.int64),
        joint_dof=model.jnt_dofadr[joint_ids].astype(np.int64),
        coupling=_coupling(model),
        exo_joints=exo_joints,
        exo_actuators=np.array([model.actuator(exo_actuator_name(j)).id for j in exo_joints], dtype=np.int64),
        exo_joint_index=np.array([JOINTS.index(j) for j in exo_joints], dtype=np.int64),
        foot_sensor={side: int(model.sensor(f"grf_{side}").adr[0]) for side in SIDES},
        sole_geoms=np.array([g for g in range(model.ngeom) if SOLE_GEOM in model.geom(g).name]),
        imu_sensor={
            model.sensor(i).name[len(_IMU) :]: int(model.sensor_adr[i])
            for i in range(model.nsensor)
            if model.sensor(i).name.startswith(_IMU)
        },
        standing_qpos=data.qpos.copy(),
        default_force=model.actuator_gainprm[: len(muscles), 2].copy(),
        strengths=np.ones(len(GROUPS_BY_SIDE)),
        condition=healthy_condition(model, len(muscles)),
    )
    body.impair(subject)
    return body


def _coupling(model: mujoco.MjModel) -> Coupling:
    rows = []
    for equality in range(model.neq):
        if model.eq_type[equality] == mujoco.mjtEq.mjEQ_JOINT:
            follower, leader = model.eq_obj1id[equality], model.eq_obj2id[equality]
            rows.append(
                (
                    model.jnt_qposadr[follower],
                    model.jnt_dofadr[follower],
                    JOINTS.index(model.joint(leader).name),
                    model.eq_data[equality, :5],
                )
            )
    qpos, dof, leader, polynomial = (np.array(column) for column in zip(*rows, strict=True))
    return Coupling(
        qpos.astype(np.int64),
        dof.astype(np.int64),
        leader.astype(np.int64),
        np.ascontiguousarray(polynomial, dtype=float),
    )

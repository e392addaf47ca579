# SPDX-License-Identifier: Apache-2.0
"""Both metabolic models against worked test vectors, muscle masses, totals, and bad input."""

import numpy as np
import pytest

from exo_sim.errors import MetabolicsError
from exo_sim.metabolics import (
    MuscleParameters,
    bhargava2004,
    looney2019,
    muscle_mass,
    published_muscle_mass,
    slow_twitch_ratio,
    umberger2010,
    whole_body_power,
)

FMAX, LOPT = 3549.0, 0.05
MASS = FMAX / 0.25e6 * 1059.7 * LOPT  # the vectors were worked out with OpenSim's 0.25 MPa: 0.7522 kg
SOLEUS = MuscleParameters(("soleus_r",), [FMAX], [LOPT], [0.803], [MASS], [10.0])

# excitation = activation, normalised length, velocity (Lopt/s), active force, passive force, force-length,
# then activation, maintenance, shortening, work, total in W
REST = (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
ISOMETRIC = (0.5, 1.0, 0.0, 1774.5, 0.0, 1.0)
SHORTENING = (0.5, 0.9, -1.0, 800.0, 0.0, 1.0)
LENGTHENING = (0.5, 1.1, 1.0, 2200.0, 50.0, 0.95)


def _vector(model, case, **extra):
    u, length, velocity, active, passive, _ = case
    heat = model(SOLEUS, *(np.array([x]) for x in (u, u, length, velocity * LOPT, active, passive)), **extra)
    return [float(part[0]) for part in (heat.activation, heat.maintenance, heat.shortening, heat.work, heat.total)]


@pytest.mark.parametrize(
    "case, expected",
    [
        (REST, (0, 0, 0, 0, 0.7522)),
        (ISOMETRIC, (22.856, 36.422, 0, 0, 59.278)),
        (SHORTENING, (22.856, 32.780, 10, 40, 105.636)),
        (LENGTHENING, (22.856, 29.138, 58.006, -110, 0)),
    ],
)
def test_bhargava_vectors(case, expected):
    assert _vector(bhargava2004, case) == pytest.approx(expected, abs=6e-4)


@pytest.mark.parametrize(
    "case, expected",
    [
        (REST, (0, 0, 0, 0, 0.7522)),
        (ISOMETRIC, (27.399, 0, 0, 0, 27.399)),
        (SHORTENING, (27.399, 0, 6.799, 40, 74.198)),
        (LENGTHENING, (26.577, 0, 83.423, -110, 0)),
    ],
)
def test_umberger_vectors(case, expected):
    assert _vector(umberger2010, case, force_length=np.array([case[5]])) == pytest.approx(expected, abs=6e-4)


def test_umberger_without_force_length_uses_thelen():
    thelen = np.exp(-(0.1**2) / 0.45)
    assert _vector(umberger2010, LENGTHENING) == pytest.approx(
        _vector(umberger2010, LENGTHENING, force_length=np.array([thelen]))
    )
    assert _vector(umberger2010, LENGTHENING)[0] != pytest.approx(26.577, abs=1e-3)


@pytest.mark.parametrize("model", [bhargava2004, umberger2010])
def test_leading_axes_are_batches(model):
    rng = np.random.default_rng(3)
    names = ("soleus_r", "recfem_l", "glmax1_r")
    muscles = MuscleParameters.for_body(names, [3000.0, 2000.0, 1000.0], [0.05, 0.1, 0.15], 80.0)
    u, a, length, speed, active, passive = (
        rng.uniform(low, high, (4, 2, 3)) for low, high in ((0, 1), (0, 1), (0.5, 1.5), (-1, 1), (0, 2000), (0, 100))
    )
    batch = model(muscles, u, a, length, speed, active, passive)
    single = model(muscles, u[2, 1], a[2, 1], length[2, 1], speed[2, 1], active[2, 1], passive[2, 1])
    assert batch.total.shape == (4, 2, 3)
    for part in ("activation", "maintenance", "shortening", "work", "total"):
        np.testing.assert_allclose(getattr(batch, part)[2, 1], getattr(single, part))
    assert batch.total.min() >= 0.0
    heat = batch.activation + batch.maintenance + batch.shortening
    np.testing.assert_allclose(batch.total - batch.work, np.maximum(heat, 1.0 * muscles.mass))
    assert whole_body_power(batch.total, 80.0).shape == (4, 2)


def test_more_excitation_costs_more():
    ramp = np.linspace(0.0, 1.0, 11)[:, None]
    still = np.zeros_like(ramp)
    for model in (bhargava2004, umberger2010):
        cost = model(SOLEUS, ramp, ramp, still + 1.0, still, still, still).total[:, 0]
        assert np.all(np.diff(cost) > 0)


def _my_legs():
    """MyoLegs' muscle names, maximum forces (N) and optimal lengths (m), and its body mass (kg)."""
    myo_sim = pytest.importorskip("myo_sim")
    model = myo_sim.load_spec("myolegs").compile()
    gain, span = model.actuator_gainprm, model.actuator_lengthrange
    names = [model.actuator(i).name for i in range(model.nu)]
    lopt = (span[:, 1] - span[:, 0]) / (gain[:, 1] - gain[:, 0])
    fmax = np.where(gain[:, 2] < 0, gain[:, 3] / model.actuator_acc0, gain[:, 2])
    return names, fmax, lopt, float(model.body_mass.sum())


@pytest.mark.filterwarnings("ignore")
def test_leg_muscles_weigh_what_people_carry():
    names, fmax, lopt, body_mass = _my_legs()
    assert len(names) == 80 and 70 < body_mass < 80
    muscles = MuscleParameters.for_body(names, fmax, lopt, 75.0)
    assert 12.0 < muscles.mass.sum() < 19.0
    assert muscles.mass.sum() == pytest.approx(15.02, abs=0.05)
    half = len(names) // 2
    assert muscles.mass[:half].sum() == pytest.approx(muscles.mass[half:].sum())
    # the trap this guards against: OpenSim's default specific tension on the same model
    assert muscle_mass(fmax, lopt, 0.25e6).sum() > 40.0
    resting = bhargava2004(muscles, *(np.zeros(80) + x for x in (0, 0, 1, 0, 0, 0)))
    # 1.2 basal and 1 W per kg of 15 kg muscle: about the 1.4 to 1.6 W/kg measured in quiet standing
    assert whole_body_power(resting.total, 75.0) / 75.0 == pytest.approx(1.4, abs=0.02)


def test_mass_grows_with_the_body_and_not_with_strength():
    names = ("soleus_r", "vaslat_l")
    light, heavy = published_muscle_mass(names, 50.0), published_muscle_mass(names, 100.0)
    np.testing.assert_allclose(heavy, 2 * light)
    weak, strong = (MuscleParameters.for_body(names, force, [0.05, 0.1], 75.0) for force in ([500.0] * 2, [5000.0] * 2))
    np.testing.assert_allclose(weak.mass, strong.mass)


@pytest.mark.parametrize(
    "name, share",
    [
        ("soleus_l", 0.803),
        ("soleus", 0.803),
        ("addmagMid_r", 0.552),
        ("edl_r", 0.75),
        ("grac_r", 0.50),
        ("some_new_muscle", 0.50),
    ],
)
def test_slow_twitch(name, share):
    assert slow_twitch_ratio(name) == share


def test_looney_curve():
    np.testing.assert_allclose(looney2019([0.75, 1.0, 1.25, 1.5, 1.75]), [3.23, 3.62, 4.16, 4.96, 6.16], atol=0.006)


@pytest.mark.parametrize(
    "change, word",
    [
        ({"mass": [0.0]}, "mass"),
        ({"slow_twitch": [1.2]}, "slow_twitch"),
        ({"fmax": [np.nan]}, "fmax"),
        ({"lopt": [0.1, 0.2]}, "lopt"),
        ({"vmax": [-1.0]}, "vmax"),
    ],
)
def test_bad_parameters_name_the_field(change, word):
    good = {"names": ("a",), "fmax": [1.0], "lopt": [0.1], "slow_twitch": [0.5], "mass": [0.1], "vmax": [10.0]}
    with pytest.raises(MetabolicsError, match=word):
        MuscleParameters(**(good | change))


def test_bad_signals_and_bodies():
    one, two = np.zeros(1), np.zeros(2)
    with pytest.raises(MetabolicsError, match="active_force.*1 muscles"):
        bhargava2004(SOLEUS, one, one, one, one, two, one)
    with pytest.raises(MetabolicsError, match="leading axes"):
        umberger2010(SOLEUS, np.zeros((3, 1)), np.zeros((2, 1)), one, one, one, one)
    with pytest.raises(MetabolicsError, match="triceps"):
        published_muscle_mass(["triceps_r"])
    for mass in (0.0, -5.0, np.nan):
        with pytest.raises(MetabolicsError, match="body mass"):
            whole_body_power(one, mass)
        with pytest.raises(MetabolicsError, match="body mass"):
            published_muscle_mass(["soleus_r"], mass)

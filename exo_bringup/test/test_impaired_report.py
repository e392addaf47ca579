# SPDX-License-Identifier: Apache-2.0
"""The report of patients, drawn of made-up ones."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from exo_core.errors import UserError
from exo_lab.conditions import LEARNED, PERSONALISED, PRACTISED, UNPOWERED
from exo_lab.evaluate.clinical import clinical_figures
from exo_lab.evaluate.cohort import COHORT_FILE, cohort_figures, write_cohort
from exo_lab.evaluate.deficits import load_deficits
from exo_lab.evaluate.impaired import COMMAND
from exo_lab.evaluate.patient_measures import ASYMMETRIES, assistance_figures
from exo_lab.evaluate.patients import HEALTHY, healthy
from exo_lab.report.impaired import command_words, headline, load_impaired_study
from exo_lab.report.results import is_evaluation, report_folder, write_evaluation_report
from exo_sim.body.subject import Subject
from exo_sim.gait.curves import CurveTable
from exo_sim.measurement import write_summary

_FILE = Path(__file__).resolve().parents[2] / "exo_lab" / "test" / "made_up_patients.py"
_SPEC = importlib.util.spec_from_file_location("made_up_patients", _FILE)
made_up = importlib.util.module_from_spec(_SPEC)
sys.modules["made_up_patients"] = made_up  # dataclasses look their module up
_SPEC.loader.exec_module(made_up)

SETTINGS = {
    "speed": 1.0,
    "seeds": 2,
    "duration": 30.0,
    "seed": 300,
    "side": "r",
    "human": None,
    "subject": "",
    "physics_rate": 500.0,
    "device": None,
    "same_human": False,
    "cohort": 0,
    "exo": [],
    "personalised": [],
}
GIVES = [("ankle_angle", -1.0), ("hip_flexion", 1.0)]


def write_folder(folder, walks, figures, **configuration):
    table = CurveTable()
    seen = set()
    for walk in walks:
        for curve in walk.curves:
            if curve.key not in seen:
                seen.add(curve.key)
                table.add(curve)
    table.write(folder / "curves.csv")
    write_summary(
        folder / "summary.json",
        figures,
        {**SETTINGS, "policies": [], "deficits": [], "patients": {}, **configuration},
        300,
        {"command": COMMAND},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The clinic, and two patients in a device."""
    folder = tmp_path_factory.mktemp("impaired")
    patients = [made_up.made_up_named(), made_up.made_up_named("drop_foot_left", "dorsiflexor_weakness", "l")]
    well = healthy(Subject())
    walks = made_up.made_up_clinic() + [made_up.made_up_patient(p, seed=s) for p in patients for s in (300, 301)]
    worn = made_up.made_up_assistance([well, *patients], kinds=(LEARNED, PERSONALISED))
    worn += made_up.made_up_assistance(patients[:1], policies=("a",), kinds=(PRACTISED,))
    figures = clinical_figures(walks, load_deficits(), patients, {p.name: HEALTHY for p in patients}, 1.0, "r")
    figures += assistance_figures(worn, [well, *patients], GIVES, 1.0)
    write_folder(
        folder,
        walks + worn,
        figures,
        deficits=[d.name for d in load_deficits()],
        exo=["runs/a", "runs/b"],
        policies=[{"label": "a", "wearer": None}, {"label": "b", "wearer": None}],
        patients={
            p.name: {"subject": p.subject, "side": p.side, "deficit": p.deficit, "healthy": HEALTHY} for p in patients
        },
    )
    return folder


def test_the_page_holds_table_figures_and_the_way_back(folder):
    assert is_evaluation(folder)
    page = write_evaluation_report(report_folder(["impaired", str(folder)])).read_text()
    assert page.count("<svg") == 3 and "<script" not in page and "http-equiv" not in page  # severity, two patients
    assert "peak dorsiflexion in mid and late swing" in page and "Don et al. 2007" in page
    assert "Plantarflexor weakness 50, right" in page and "Drop foot, left" in page
    for name in ("severity", "plantarflexor_weakness_50_right", "drop_foot_left"):
        for suffix in (".svg", ".png"):
            assert (folder / "figures" / f"{name}{suffix}").stat().st_size > 20_000
    evaluation = load_impaired_study(folder)
    assert "3 of 5 deficits look as in the clinic (dorsiflexor weakness" in headline(evaluation)
    assert "personalised policy changes the cost per distance by" in headline(evaluation)
    again = " ".join(command_words(evaluation))
    assert again.startswith("exo evaluate impaired --exo runs/a runs/b --patients patients/") and "--speed 1" in again


def test_patients_without_a_device_have_a_figure_too(tmp_path):
    patient = made_up.made_up_named()
    walks = [made_up.made_up_patient(p, seed=300) for p in (healthy(Subject()), patient)]
    figures = clinical_figures(walks, [], [patient], {patient.name: HEALTHY}, 1.0, "r")
    write_folder(
        tmp_path,
        walks,
        figures,
        patients={
            patient.name: {"subject": patient.subject, "side": "r", "deficit": patient.deficit, "healthy": HEALTHY}
        },
    )
    page = write_evaluation_report(tmp_path).read_text()
    assert page.count("<svg") == 1 and "As clinicians know it" not in page


def cohort_rows(count=30):
    random = np.random.default_rng(1)
    rows = []
    for device in ("hip_ankle", "hip"):
        for i in range(count):
            lost = 0.5 * random.random()
            row = {
                "patient": f"p{i}",
                "number": i,
                "device": device,
                "severity": lost,
                "fell_unpowered": lost > 0.4,
                "fell_learned": False,
                "saving_percent": 8.0 + 20.0 * lost + 3.0 * random.standard_normal(),
                "strength_plantarflexors_r": 0.5,
                "strength_plantarflexors_l": 0.5 if i % 3 else 1.0,
            }
            rows.append(
                row | {f"asymmetry_{name}_percent_{worn}": 9.0 for name in ASYMMETRIES for worn in (UNPOWERED, LEARNED)}
            )
    return rows


def test_a_cohort_is_a_figure_of_saving_against_severity(tmp_path):
    rows = cohort_rows()
    write_cohort(tmp_path / COHORT_FILE, rows, {})
    write_summary(
        tmp_path / "summary.json",
        cohort_figures(rows),
        {**SETTINGS, "policies": [{"label": "a", "wearer": None}], "deficits": [], "patients": {}, "cohort": 30},
        300,
        {"command": COMMAND},
    )
    page = write_evaluation_report(tmp_path).read_text()
    assert page.count("<svg") == 1 and "Cohort" in page
    assert (
        "hip_ankle saves" in headline(load_impaired_study(tmp_path)) and (tmp_path / "figures" / "cohort.png").is_file()
    )
    assert "--cohort 30" in " ".join(command_words(load_impaired_study(tmp_path)))


def test_other_folders_are_refused_in_a_line(tmp_path, folder):
    with pytest.raises(UserError, match="exo evaluate human"):
        report_folder(["human", str(folder)])
    with pytest.raises(UserError, match="cannot be read"):
        load_impaired_study(tmp_path)
    (tmp_path / "summary.json").write_text('{"figures": []}')
    with pytest.raises(UserError, match="not the folder of an evaluation"):
        load_impaired_study(tmp_path)
    (tmp_path / "summary.json").write_text(f'{{"command": "{COMMAND}", "figures": []}}')
    with pytest.raises(UserError, match="damaged"):
        load_impaired_study(tmp_path)

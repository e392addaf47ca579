# SPDX-License-Identifier: Apache-2.0
import json
import sys
from pathlib import Path

import pytest

from exo_bringup.deployment import change_of, command
from exo_core.errors import UserError
from exo_device.devices import find_device
from exo_lab.conditions import Policy
from exo_lab.evaluate.exo import LOCKSTEP, TopicWalk
from exo_lab.report.exo import command_words, headline, load_exo_study, reference_band
from exo_lab.report.results import report_folder, write_evaluation_report
from exo_policy.controllers.learned import shipped_checkpoint

sys.path.insert(0, str(Path(__file__).parent))
import made_up_exo

CHECKPOINT = str(shipped_checkpoint(find_device("hip_ankle").joint_names))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    made_up_exo.write_evaluation(folder, CHECKPOINT, made_up_exo.made_up_results())
    return folder


def test_figures_are_those_of_the_walks(folder):
    evaluation = load_exo_study(folder)
    saved = evaluation.figure("gross_change_bhargava_from_unpowered", "learned", 1.25)
    assert saved.value == pytest.approx(-20.0, abs=0.5) and saved.met and saved.low <= saved.value <= saved.high
    assert evaluation.figure("gross_change_bhargava_from_no_device", "learned", 1.25).value == pytest.approx(
        -15.0, abs=0.5
    )
    late = evaluation.figure("ankle_profile_positive_peak_error", "learned", 1.25)
    assert late.value == pytest.approx(2.2, abs=1.0) and late.met
    assert (
        evaluation.figure("ankle_profile_r", "learned", 1.25).value
        > evaluation.figure("ankle_profile_cosine_r", "learned", 1.25).value
    )
    assert evaluation.figure("falls", "learned", 1.25).met
    assert evaluation.figure("group_plantarflexors_change_from_unpowered", "learned", 1.0).value < 0.0


def test_a_fall_and_a_saving_too_good_to_be_true_miss_their_targets(tmp_path):
    results = made_up_exo.made_up_results(policies=("a",), speeds=(1.25,))
    results[-3].fell = True  # of the learned policy
    results.append(made_up_exo.made_up_walk("learned", "a", 1.25, 202, fell=True))
    made_up_exo.write_evaluation(tmp_path, CHECKPOINT, results)
    assert load_exo_study(tmp_path).figure("falls", "learned", 1.25).met is False
    for name, cost in (("learned", 2.0),):
        made_up_exo.COST[name], before = cost, made_up_exo.COST[name]
        try:
            made_up_exo.write_evaluation(tmp_path, CHECKPOINT, made_up_exo.made_up_results(("a",), (1.25,)))
        finally:
            made_up_exo.COST[name] = before
    incredible = load_exo_study(tmp_path).figure("gross_change_bhargava_from_unpowered", "learned", 1.25)
    assert incredible.value < -50.0 and incredible.met is False


def test_report_is_whole_and_says_how_to_make_it_again(folder):
    page = write_evaluation_report(report_folder(["exo", str(folder)])).read_text()
    assert "<svg" in page and "<script" not in page and "http-equiv" not in page
    assert "Learned policy" in page and "delay 50 ms" in page and "validated" in page
    assert (folder / "figure.png").stat().st_size > 50_000 and (folder / "figure.svg").stat().st_size > 50_000
    again = " ".join(command_words(load_exo_study(folder)))
    assert (
        again.startswith("exo evaluate exo")
        and "--speeds 1 1.25" in again
        and "--delay-ms 50" in again
        and "--population 8" in again
    )
    assert "0 falls" in headline(load_exo_study(folder))
    card = (folder / "model_card.md").read_text()
    assert "must not be used for" in card and "change from unpowered" in card and "ankle_angle_r" in card
    assert "no device 0.10 [0.00, 0.70], unpowered 0.10" in card


def test_the_reference_band_holds_the_curve_and_what_is_moved_a_little():
    import numpy as np

    curve = np.sin(2 * np.pi * np.arange(101) / 100)
    low, high = reference_band(curve)
    assert (low <= curve + 1e-9).all() and (curve <= high + 1e-9).all()
    moved = np.roll(curve[:-1], 3)
    assert (moved >= low[:-1] - 1e-9).all() and (moved <= high[:-1] + 1e-9).all()


def test_wrong_folders_are_one_line(tmp_path, folder):
    with pytest.raises(UserError, match="exo evaluate human"):
        report_folder(["human", str(folder)])
    with pytest.raises(UserError, match="one folder"):
        report_folder(["walker", "x", str(folder)])
    with pytest.raises(UserError, match="cannot be read"):
        load_exo_study(tmp_path)


def test_a_walk_over_topics_is_exo_sim_and_counts_only_without_falls_and_faults(tmp_path):
    walk = TopicWalk(Policy("a", "/p/a", "hip"), "/p/human", "", 1.25, 60.0, 3, LOCKSTEP, tmp_path)
    words = command(walk, "a_1.25")
    assert words[4] == "sim" and "--lockstep" in words and words[words.index("--device") + 1] == "hip"
    assert words[words.index("--human-checkpoint") + 1] == "/p/human"
    figures = {"metabolic_power_change": -18.0, "falls": 0, "device_faults": 0}

    def write(**changes):
        content = [{"name": name, "value": value} for name, value in {**figures, **changes}.items()]
        (tmp_path / "summary.json").write_text(json.dumps({"figures": content}))

    write()
    assert change_of(tmp_path) == -18.0
    for changes in ({"falls": 1}, {"device_faults": 1}, {"metabolic_power_change": None}):
        write(**changes)
        with pytest.raises(UserError, match="does not count"):
            change_of(tmp_path)

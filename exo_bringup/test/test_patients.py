# SPDX-License-Identifier: Apache-2.0
"""Named patients wherever the command line and the graph take a subject."""

import pytest

from exo_bringup.graph import GraphOptions, describe_graph, subject_mass_kg, subject_strengths
from exo_bringup.run_options import check_graph
from exo_sim.body.subject import load_subject
from exo_sim.errors import SimError
from exo_sim.subjects import presets, subject_file


def test_a_patient_is_found_where_a_file_would_be():
    for name in presets():
        found = subject_file(f"preset:{name}")
        assert load_subject(found).name == name
        assert subject_mass_kg(found) == load_subject(found).mass_kg


def test_the_graph_hands_the_patient_to_its_nodes():
    nodes = {node.name: node for node in describe_graph(GraphOptions(subject="preset:crouch"))}
    assert nodes["simulator_node"].parameters["subject"] == "preset:crouch"
    told = nodes["policy_node"].parameters["strengths"]
    assert "plantarflexors_r: 0.6" in told and "plantarflexors_l: 0.6" in told


def test_strengths_reach_the_policy_also_of_a_wearer_whom_the_simulator_would_refuse(tmp_path):
    file = tmp_path / "heavy.yaml"
    file.write_text("mass_kg: 150.0\nstrengths: {hip_flexors_l: 0.8, soleus_r: 0.5}")
    assert subject_strengths(file) == "hip_flexors_l: 0.8"
    assert subject_strengths("preset:drop_foot_left") == "dorsiflexors_l: 0.1"
    assert subject_strengths(subject_file("default")) == ""


def test_an_unknown_patient_is_refused_before_anything_starts():
    with pytest.raises(SimError, match="unknown preset 'limp'; allowed: drop_foot_right"):
        check_graph(GraphOptions(subject="preset:limp"))
    check_graph(GraphOptions(subject="preset:drop_foot_left"))

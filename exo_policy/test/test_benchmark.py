# SPDX-License-Identifier: Apache-2.0
import json
import os

from exo_policy.benchmark import main


def test_measures_answers_and_leaves_the_process_on_all_its_cores(capsys):
    before = os.sched_getaffinity(0)
    assert main(["--answers", "100", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["answers"] == 100 and 0.0 < figures["median_s"] <= figures["p99_s"] <= figures["longest_s"]
    assert figures["processor_p99_s"] > 0.0 and os.sched_getaffinity(0) == before


def test_bad_input_is_one_line(capsys):
    assert main(["--answers", "3"]) == 2 and main(["--checkpoint", "/nowhere/p"]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 2 and "--answers" in lines[0] and "/nowhere/p" in lines[1]

# SPDX-License-Identifier: Apache-2.0
"""One reader of YAML for the whole project, which takes nothing that was not meant."""

import os
import re
from pathlib import Path

import pytest
import yaml

from exo_core.yaml_file import YamlError, parse_mapping, parse_yaml, read_mapping, read_yaml

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("limit: 3\nother: 1\nlimit: 30\n", 3, ["'limit' stands twice", "line 1"]),
        ("joints:\n  ankle_r: {a: 1}\n  ankle_r: {a: 2}\n", 3, ["'ankle_r' stands twice", "line 2"]),
        ("motor: {id: 1, sign: 1, id: 2}\n", 1, ["'id' stands twice"]),
        ("a: &a {x: 1}\nb: {<<: *a, y: 1, y: 2}\n", 2, ["'y' stands twice"]),
        ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", 4, ["'<<' stands twice"]),
        ("- {a: 1}\n- {b: 1, 'b': 2}\n", 2, ["'b' stands twice"]),
        ("id: 011\n", 1, ["011", "octal", "which makes 9", "write 11 or 9"]),
        ("id: 010\n", 1, ["octal", "which makes 8"]),
        ("a: 1\nid: -07\n", 2, ["octal"]),
        ("pause: 1:30\n", 1, ["base of 60", "90"]),
        ("pause: 1:30.5\n", 1, ["base of 60"]),
        ("a: 0\nname: 2024-02-30\n", 2, ["2024-02-30", "date", "'2024-02-30', in quotes"]),
        ("name: 2024-02-03\n", 1, ["date"]),
        ("path: 2024-02-03 10:00:00\n", 1, ["date"]),
        ("a: 1\nno: 3\n", 2, ["key no means false", "'no', in quotes"]),
        ("on: 3\n", 1, ["key on means true"]),
        ("~: 3\n", 1, ["key ~ means none"]),
        ("a: 1\n? \n: 3\n", 2, ["key that is left out"]),
        ("? [a, b]\n: 3\n", 1, ["a key must be a word"]),
        ("a: 1\nb: [\n", 3, ["expected"]),
        ("a: !!python/object/apply:os.system ['x']\n", 1, ["python"]),
        ("a: &a [*a]\n", 1, ["*a stands inside itself"]),
        ("a: *nobody\n", 1, ["nobody"]),
        ("a: 1\n--- \nb: 2\n", 2, ["document"]),
        ("a: " + "9" * 10_000, 1, ["cannot be read"]),
        ("a: =\n", 1, ["could not determine"]),
    ],
)
def test_what_is_not_meant_is_one_line_with_file_and_line(tmp_path, text, line, words):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    with pytest.raises(YamlError) as caught:
        read_yaml(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:{line}: ") and "\n" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    "text, content",
    [
        ("a: &a {x: 1, y: 2}\nb: {<<: *a, y: 3}\n", {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}}),
        ("a: &a {x: 1}\nb: &b {<<: *a, x: 2}\nc: {<<: *b, x: 3}\n", {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 3}}),
        ("a: &a {x: 1}\nb: &b {x: 2}\nc: {<<: [*a, *b]}\n", {"a": {"x": 1}, "b": {"x": 2}, "c": {"x": 1}}),
        (
            "a: 0\nb: 0x1f\nc: 1.5\nd: -0.5\ne: 0.0\nf: 09\n",
            {"a": 0, "b": 31, "c": 1.5, "d": -0.5, "e": 0.0, "f": "09"},
        ),
        ("on_ice: yes\nb: no\nc: ~\n", {"on_ice": True, "b": False, "c": None}),
        ("'no': '2024-02-30'\nid: '011'\n", {"no": "2024-02-30", "id": "011"}),
        ("{1: a, 2: b}", {1: "a", 2: "b"}),
        ("a: &a [1]\nb: *a\n", {"a": [1], "b": [1]}),
        ("", None),
        ("\ufeffa: 1\n", {"a": 1}),
    ],
)
def test_what_is_meant_is_read(text, content):
    assert parse_yaml(text, "text") == content


@pytest.mark.parametrize("text, found", [("", "nothing"), ("- a", "a list"), ("just text", "'just text'")])
def test_content_that_is_no_mapping_is_told_with_what_was_expected(tmp_path, text, found):
    path = tmp_path / "file.yaml"
    path.write_text(text)
    for call in (
        lambda: read_mapping(path, "fields such as a"),
        lambda: parse_mapping(text, str(path), "fields such as a"),
    ):
        with pytest.raises(YamlError) as caught:
            call()
        assert str(caught.value) == f"{path}: expected fields such as a, got {found}"


def test_files_that_are_none_are_told_in_one_line(tmp_path):
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe4\n")
    (tmp_path / "zero.yaml").write_bytes(b"a: \x00\n")
    (tmp_path / "deep.yaml").write_text("[" * 5000)
    (tmp_path / "large.yaml").write_text("a: 1 # " + "x" * (1 << 20))
    os.mkfifo(tmp_path / "fifo.yaml")
    for name, word in (
        ("latin.yaml", "UTF-8"),
        ("zero.yaml", "not valid YAML"),
        ("deep.yaml", "nested too deeply"),
        ("large.yaml", "kB"),
        ("fifo.yaml", "not a file"),
        ("nothing.yaml", "No such file"),
        ("", "a folder"),
    ):
        with pytest.raises(YamlError) as caught:
            read_yaml(tmp_path / name)
        assert word in str(caught.value) and "\n" not in str(caught.value)
        assert str(caught.value).startswith(str(tmp_path / name))


def test_what_is_written_is_read_again():
    content = {"no": "2024-02-30", "id": "011", "a": 1e-5, "b": [1, {"c": None}], "e": 1e30, "t": "1:30"}
    assert parse_yaml(yaml.safe_dump(content), "text") == content


def product(pattern: str) -> list[Path]:
    """Files of the packages and of the trials, without their tests."""
    return [
        file
        for where in ("exo_*/exo_*", "exo_*/launch", "exo_*/config", "endurance")
        for file in ROOT.glob(f"{where}/{pattern}")
    ]


def test_every_yaml_file_of_the_repository_passes():
    files = product("**/*.yaml")
    assert len(files) > 10
    for path in files:
        read_yaml(path)


def test_nothing_in_the_product_reads_yaml_past_this_reader():
    reads = re.compile(r"yaml\.(safe_load|load|full_load|unsafe_load)|SafeLoader|FullLoader")
    others = [
        path.relative_to(ROOT)
        for path in product("**/*.py")
        if path.name != "yaml_file.py" and "test" not in path.relative_to(ROOT).parts and reads.search(path.read_text())
    ]
    assert others == []

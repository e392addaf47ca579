# SPDX-License-Identifier: Apache-2.0
"""No module imports itself by way of others: modules can be read from the bottom up."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("exo_core", "exo_device", "exo_policy", "exo_sim", "exo_lab", "exo_bringup")


def modules(package: str) -> dict[str, Path]:
    """Files of a package by the name of the module."""
    folder = ROOT / package
    names = {path: path.relative_to(folder).with_suffix("").parts for path in (folder / package).rglob("*.py")}
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in names.items()}


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """What runs when a module is loaded: no bodies of functions, and nothing that is for type checkers alone."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for field in ("body", "orelse", "finalbody", "handlers"):
                yield from statements(getattr(node, field, []))


def imported(path: Path, known: set[str]) -> set[str]:
    """Modules among the known ones that this file imports when it is loaded."""
    names = set()
    for node in statements(ast.parse(path.read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & known


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """A circle for each module from which a way leads back to itself, each circle once."""
    found: dict[frozenset[str], list[str]] = {}
    for start in graph:
        ways, seen = [[start]], set()
        while ways:
            way = ways.pop(0)
            for name in sorted(graph[way[-1]]):
                if name == start:
                    found.setdefault(frozenset(way), [*way, start])
                elif name not in seen:
                    seen.add(name)
                    ways.append([*way, name])
    return list(found.values())


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_imports_itself_by_way_of_others_in(package):
    files = modules(package)
    graph = {name: imported(path, set(files)) - {name} for name, path in files.items()}
    assert any(graph.values())
    assert not circles(graph), "\n".join(" -> ".join(circle) for circle in circles(graph))


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c", "a"]]
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []

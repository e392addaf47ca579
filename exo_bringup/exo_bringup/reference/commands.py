# SPDX-License-Identifier: Apache-2.0
"""Command lines: every parser of `exo` and of the device's programs, with its options."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from unittest import mock

from exo_bringup.reference.markdown import code, plain, table


@dataclass(frozen=True)
class CommandFacts:
    """One command: the words that call it, and its parser."""

    words: tuple[str, ...]
    parser: argparse.ArgumentParser

    @property
    def options(self) -> list[argparse.Action]:
        """Options and arguments, --help and subcommands left out."""
        left_out = (argparse._HelpAction, argparse._SubParsersAction)
        return [
            action
            for action in self.parser._actions
            if not isinstance(action, left_out) and action.help is not argparse.SUPPRESS
        ]


#: Options that make another command of one, with options of its own.
MODES = {("exo", "evaluate", "human"): ("--assistance",)}


def exo_commands() -> Iterator[CommandFacts]:
    """Every command of `exo`, those that other packages read included."""
    from exo_bringup import cli

    for facts in _walk(cli.main, ("exo",), []):
        yield facts
        for mode in MODES.get(facts.words, ()):
            yield CommandFacts((*facts.words, mode), _asked_for_help(cli.main, [*facts.words[1:], mode]))


def device_commands() -> Iterator[CommandFacts]:
    """Commands of the bench tool."""
    from exo_device import bench

    yield from _walk(bench.main, ("ros2", "run", "exo_device", "bench"), [])


def _walk(main: Callable, words: tuple[str, ...], path: list[str]) -> Iterator[CommandFacts]:
    parser = _asked_for_help(main, path)
    yield CommandFacts((*words, *path), parser)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name in action.choices:
                yield from _walk(main, words, [*path, name])


def _asked_for_help(main: Callable, path: list[str]) -> argparse.ArgumentParser:
    """The parser that answers --help, wherever it is made."""
    asked: list[argparse.ArgumentParser] = []
    with mock.patch.object(argparse.ArgumentParser, "print_help", lambda parser, file=None: asked.append(parser)):
        try:
            main([*path, "--help"])
        except SystemExit:
            pass
    return asked[0]


def section(facts: CommandFacts, level: int, about: str = "") -> str:
    """Heading, description (`about` where the parser has none) and options."""
    parser = facts.parser
    texts = [f"{'#' * level} {' '.join(facts.words)}\n"]
    if parser.description or about:
        text = " ".join((parser.description or about).split())
        texts.append(plain(text[0].upper() + text[1:].rstrip(".")) + ".\n")
    positional = [action for action in facts.options if not action.option_strings]
    rows = [(_shown(action), _about(parser, action)) for action in (*positional, *_optional(facts))]
    texts.append(table(("option", "meaning"), rows))
    if parser.epilog and parser.formatter_class is argparse.RawDescriptionHelpFormatter:
        texts.append(f"```\n{parser.epilog.strip()}\n```\n")
    return "\n".join(filter(None, texts))


def _optional(facts: CommandFacts) -> list[argparse.Action]:
    return [action for action in facts.options if action.option_strings]


def _shown(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else action.metavar or action.dest.upper()
    if action.choices is not None and action.metavar is None:
        value = "{" + ",".join(str(choice) for choice in action.choices) + "}"
    if isinstance(value, tuple):
        value = " ".join(value)
    if not action.option_strings:
        return code(f"{value} ..." if action.nargs in ("+", "*") else value)
    return code(" ".join(filter(None, [", ".join(action.option_strings), value])))


def _about(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    return plain(parser._get_formatter()._expand_help(action)) if action.help else ""

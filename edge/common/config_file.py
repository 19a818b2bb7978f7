"""Read `edge.toml`, lay the environment over it, and report everything that is wrong at once.  [I/O]

The file, then the `EDGE_*` variables, then the types, then the sense of it as a
whole: each step hands on what it could use, so that one run of `edge config
check` shows every problem that can be seen, each with its line and key.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.common.config import Config
from edge.common.config_build import Path as KeyPath
from edge.common.config_build import Problem, build
from edge.common.config_check import check
from edge.common.config_environ import overlay
from edge.common.config_lines import line_of, scan
from edge.common.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration, and where each of its values came from."""

    config: Config
    origins: dict[KeyPath, str]  # "edge.toml:12" or "EDGE_HTTPS_PORT"; absent: the default


def load(path: Path, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in `path`.  Raises `ConfigError` with every problem."""
    return load_with_origins(path, environ).config


def load_with_origins(path: Path, environ: Mapping[str, str] | None = None) -> Loaded:
    """The configuration in `path` and the origin of each value.  Raises `ConfigError`."""
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file (EDGE_CONFIG names another)"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from error
    return parse(text, path.name, os.environ if environ is None else environ)


def parse(text: str, name: str, environ: Mapping[str, str]) -> Loaded:
    """The configuration in `text`; `name` stands in front of each line number."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([_syntax(name, text, error)]) from error
    lines = scan(text)
    laid = overlay(values, environ)
    built = build(laid.values)
    # Complaints about references into an array with unusable elements would be noise.
    found = [
        Problem(_in_file(one.path, built.kept), one.text, one.about)
        for one in check(built.config)
        if one.about not in built.incomplete
    ]
    problems = sorted(built.problems + found, key=lambda one: line_of(lines, one.path))
    told = [_told(one, name, lines, laid.origins, laid.values) for one in problems]
    if told or laid.problems:
        raise ConfigError([*laid.problems, *dict.fromkeys(told)])
    origins = {path: f"{name}:{line}" for path, line in lines.items()}
    return Loaded(built.config, origins | laid.origins)


def _told(
    problem: Problem, name: str, lines: Mapping[KeyPath, int], origins: Mapping[KeyPath, str], values: Any
) -> str:
    place = f"{name}:{line_of(lines, problem.path)}"
    for path, variable in origins.items():
        # A table that only a variable brought in is that variable's mistake.
        if path == problem.path or (problem.path not in lines and _is_inside(path, problem.path)):
            place = variable
    key = spelled(problem.path, values)
    return f"{place}: {key}: {problem.text}" if key else f"{place}: {problem.text}"


def _is_inside(path: KeyPath, parent: KeyPath) -> bool:
    return bool(parent) and path[: len(parent)] == parent


def spelled(path: KeyPath, values: Any) -> str:
    """`path` for people: an array's element by its name where it has one."""
    words: list[str] = []
    here = values
    for key in path:
        try:
            here = here[key]
        except (KeyError, IndexError, TypeError):
            here = None
        if isinstance(key, str):
            words.append(key)
        elif isinstance(here, Mapping) and (here.get("name") or here.get("path")):
            words[-1] += f"[{here.get('name') or here.get('path')}]"
        else:
            words[-1] += f"[{key}]"
    return ".".join(words)


def _in_file(path: KeyPath, kept: Mapping[str, list[int]]) -> KeyPath:
    """`path` with the index that the element has in the file, not among those that were usable."""
    if len(path) > 1 and isinstance(path[1], int):
        return (path[0], kept[str(path[0])][path[1]], *path[2:])
    return path


def _syntax(name: str, text: str, error: tomllib.TOMLDecodeError) -> str:
    message = str(error)
    what, _, place = message.rpartition(" (at ")
    if place.startswith("line "):
        return f"{name}:{place.removeprefix('line ').partition(',')[0]}: {what}"
    return f"{name}:{text.count(chr(10)) + 1}: {what or message}"

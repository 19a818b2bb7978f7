"""`edge config`: is the configuration right, what is it, and hand it to the running edge.  [I/O]"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cyclopts
import msgspec

from edge.cli.hub import command, run_dir_from_environment
from edge.cli.screen import paint, say_json
from edge.common import revision
from edge.common.config import Config
from edge.common.config_build import Path as KeyPath
from edge.common.config_file import Loaded, load_with_origins, spelled

app = cyclopts.App(name="config", help="Check, show or reload edge.toml.")


def config_path() -> Path:
    """The configuration of this edge: EDGE_CONFIG or ./edge.toml."""
    return Path(os.environ.get("EDGE_CONFIG", "edge.toml"))


@app.command
def check(file: Path | None = None) -> None:
    """Report every mistake of FILE (default: edge.toml) at once; exit status 2 if there is one."""
    path = file or config_path()
    loaded = load_with_origins(path)
    print(f"{path} is good: revision {_name(loaded.config)}, {len(loaded.config.pops())} POPs enabled")


@app.command
def show(prefix: str = "", *, origin: bool = False, json: bool = False) -> None:
    """Print every value in force, or those whose key begins with PREFIX.

    With --origin each one says where it came from: a line of the file, an
    environment variable, or the default.
    """
    loaded = load_with_origins(config_path())
    if json:
        say_json(msgspec.to_builtins(loaded.config))
        return
    rows = [row for row in settings(loaded) if row[0].startswith(prefix)]
    key_columns = max((len(key) + len(value) + 3 for key, value, _ in rows), default=0)
    for key, value, source in rows:
        line = f"{key} = {value}"
        print(f"{line.ljust(min(key_columns, 72))}  {paint('# ' + source, '2')}" if origin else line)


@app.command
def reload() -> None:
    """Check edge.toml and, if it is right, give it to every process of the running edge.

    Ports, POPs, numbers of processes and L4's engine need a restart; everything else
    is taken over between two requests.
    """
    config = load_with_origins(config_path()).config
    data = revision.encode(config)
    print(command(run_dir_from_environment(), "*", "reload", config=data, revision=revision.name(data)))


def settings(loaded: Loaded) -> Iterator[tuple[str, str, str]]:
    """Key, value and origin of everything in force, in the order of the schema."""
    values = msgspec.to_builtins(loaded.config)
    for path, value in _leaves(values, ()):
        yield spelled(path, values), _toml(value), origin_of(path, loaded.origins)


def origin_of(path: KeyPath, origins: Mapping[KeyPath, str]) -> str:
    """Where the value at `path` came from.

    An inline table has one line for all its keys, so a parent's line counts
    where the parent is no table or element of its own.
    """
    if path in origins:
        return origins[path]
    parent = path[:-1]
    has_keys_of_its_own = any(
        len(other) > len(parent) and other[: len(parent)] == parent for other in origins
    )
    if parent in origins and parent and not has_keys_of_its_own and isinstance(parent[-1], str):
        return origins[parent]
    return "default"


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list | tuple) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path, value


def _toml(value: Any) -> str:
    if value is None:
        return "(not set)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'"{escaped}"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return "{}" if value == {} else str(value)


def _name(config: Config) -> str:
    return revision.name(revision.encode(config))

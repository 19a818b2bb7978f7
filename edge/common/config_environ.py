"""Which values does the environment put in the place of the file's?

Two spellings.  `EDGE_HTTPS_PORT=9443` and `EDGE_L7_IDLE_TIMEOUT_S=5` reach every
single value outside the arrays.  `EDGE__POP__MUMBAI__L7=3` reaches everything:
double underscores part the keys, single ones stand for hyphens, and an element
of an array is called by its name or its number.

A value is read as TOML where that works (`3`, `true`, `["a"]`) and as text
where it does not, so a shell needs no nested quotes.  Every variable that
begins with `EDGE__` must mean something; of those with one underscore only a
near miss is reported, since other programs may own such names.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_origin

import msgspec

from edge.common.config import Config
from edge.common.config_build import Path, nearest

# Not values of the configuration: they say where it and the run directory are.
RESERVED = frozenset({"EDGE_CONFIG", "EDGE_RUN_DIR"})


@dataclass(frozen=True, slots=True)
class Overlay:
    """What the environment said."""

    values: dict[str, Any]  # the file's, with the environment's in their places
    origins: dict[Path, str] = field(default_factory=dict)  # path -> variable
    problems: list[str] = field(default_factory=list)


def overlay(values: Mapping[str, Any], environ: Mapping[str, str]) -> Overlay:
    """`values` with the `EDGE_*` variables of `environ` applied; `values` stays as it is."""
    result = Overlay(_copy(values))
    short = _short_names()
    for variable in sorted(environ):
        if not variable.startswith("EDGE_") or variable in RESERVED:
            continue
        if variable.startswith("EDGE__"):
            path = _long_path(result.values, variable)
        else:
            path = short.get(variable)
            if path is None and (hint := nearest(variable, short)):
                result.problems.append(f"{variable}: no such setting{hint}")
        if path is not None and _put(result.values, path, _read(environ[variable])):
            result.origins[path] = variable
        elif variable.startswith("EDGE__"):
            result.problems.append(f"{variable}: no such place in the configuration")
    return result


def _short_names() -> dict[str, Path]:
    names: dict[str, Path] = {}
    pending: list[tuple[type[Any], Path]] = [(Config, ())]
    while pending:
        kind, path = pending.pop(0)
        for info in msgspec.structs.fields(kind):
            here = (*path, info.encode_name)
            if isinstance(info.type, type) and issubclass(info.type, msgspec.Struct):
                pending.append((info.type, here))
            elif path or get_origin(info.type) is not tuple:
                # Breadth first, so the shallower of two equal spellings wins.
                names.setdefault("EDGE_" + "_".join(map(str, here)).replace("-", "_").upper(), here)
    return names


def _long_path(values: Mapping[str, Any], variable: str) -> Path | None:
    path: Path = ()
    here: Any = values
    for part in variable.removeprefix("EDGE__").lower().split("__"):
        key: str | int = part.replace("_", "-")
        if isinstance(here, list):
            found = [index for index, value in enumerate(here) if _is_called(value, index, str(key))]
            if not found:
                return None
            key = found[0]
            here = here[key]
        elif isinstance(here, Mapping):
            here = here.get(str(key), {})
        else:
            return None
        path = (*path, key)
    return path


def _is_called(value: Any, index: int, name: str) -> bool:
    return str(index) == name or (isinstance(value, Mapping) and value.get("name") == name)


def _put(values: Any, path: Path, value: Any) -> bool:
    for key in path[:-1]:
        values = values[key] if isinstance(key, int) else values.setdefault(key, {})
        if not isinstance(values, dict | list):
            return False
    if isinstance(values, list):
        return False  # a whole element is more than one variable should say
    values[path[-1]] = value
    return True


def _read(text: str) -> Any:
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # More than one key means that the text had a line break in it: text, then.
    return read["value"] if len(read) == 1 else text


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_copy(inner) for inner in value]
    return value

"""Do these plain values fit the configuration's types, and if not, where not?

`msgspec.convert` stops at the first mistake.  An operator wants all of them, so
this module walks the structs itself and leaves only the leaves to msgspec.  A
leaf that does not fit is reported and replaced by its default, so that what
follows can still be looked at; an array element that cannot be built at all is
left out and remembered in `Built.incomplete`, so that nobody complains about
references to it.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_args, get_origin

import msgspec

from edge.common.config import Config

Path = tuple[str | int, ...]

_SHOWN_CHARACTERS_MAX = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at one key.

    `about` names the array whose elements the problem refers to: "cluster" for
    a route that wants a cluster which is not there.
    """

    path: Path
    text: str
    about: str = ""


@dataclass(slots=True)
class Built:
    """What became of the plain values."""

    config: Config
    problems: list[Problem] = field(default_factory=list)
    kept: dict[str, list[int]] = field(default_factory=dict)  # array -> place in the file of each element
    incomplete: set[str] = field(default_factory=set)  # arrays with elements left out


def build(values: Mapping[str, Any]) -> Built:
    """A configuration from `values`, with every misfit reported."""
    built = Built(Config())
    config = _struct(Config, values, (), built)
    if config is not None:
        built.config = config
    return built


def _struct(kind: type[Any], values: Any, path: Path, built: Built) -> Any:
    """One struct, or None where a required field is missing or of no use."""
    if not isinstance(values, Mapping):
        built.problems.append(Problem(path, f"{_shown(values)} is not a table"))
        return None
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key in values:
        if key not in fields:
            built.problems.append(Problem((*path, key), f"unknown key{nearest(key, fields)}"))
    arguments: dict[str, Any] = {}
    usable = True
    for key, info in fields.items():
        if key not in values:
            if info.required:
                built.problems.append(Problem(path, f"{key} is missing ({describe(info.type)})"))
                usable = False
            continue
        before = len(built.problems)
        value = _value(info.type, values[key], (*path, key), built)
        if value is not None:
            arguments[info.name] = value
        elif info.required:
            assert len(built.problems) > before, "what is left out has been reported"
            usable = False
    return kind(**arguments) if usable else None


def _value(kind: Any, value: Any, path: Path, built: Built) -> Any:
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return _struct(kind, value, path, built)
    inner = get_args(kind)[:1]
    if get_origin(kind) is tuple and isinstance(inner[0], type) and issubclass(inner[0], msgspec.Struct):
        return _array(inner[0], value, path, built)
    try:
        if isinstance(value, float) and not math.isfinite(value):
            raise msgspec.ValidationError
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        built.problems.append(Problem(path, f"{_shown(value)} is not {describe(kind)}"))
        return None


def _array(kind: type[Any], values: Any, path: Path, built: Built) -> tuple[Any, ...] | None:
    name = str(path[-1])
    if not isinstance(values, list):
        built.problems.append(Problem(path, f"is one table and should be a list of them: [[{name}]]"))
        built.incomplete.add(name)
        return None
    elements, kept = [], []
    for index, value in enumerate(values):
        element = _struct(kind, value, (*path, index), built)
        if element is not None:
            elements.append(element)
            kept.append(index)
    built.kept[name] = kept
    if len(kept) < len(values):
        built.incomplete.add(name)
    return tuple(elements)


def nearest(word: str, known: Mapping[str, Any]) -> str:
    """` (did you mean "...?")` where a known word is close, else the empty string."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f' (did you mean "{close[0]}"?)' if close else ""


def describe(kind: Any) -> str:
    """A type of the configuration in words: "a whole number from 0 to 65535"."""
    return _describe(msgspec.inspect.type_info(kind))


def _describe(info: msgspec.inspect.Type) -> str:
    match info:
        case msgspec.inspect.BoolType():
            return "true or false"
        case msgspec.inspect.IntType():
            return "a whole number" + _range(info.ge, info.gt, info.le)
        case msgspec.inspect.FloatType():
            return "a number" + _range(info.ge, info.gt, info.le)
        case msgspec.inspect.StrType(pattern=str()):
            return "a name of lower-case letters, digits and hyphens, at most 32"
        case msgspec.inspect.StrType():
            return "text in quotes"
        case msgspec.inspect.LiteralType():
            return "one of " + ", ".join(f'"{value}"' for value in info.values)
        case msgspec.inspect.VarTupleType():
            return f"a list, each item {_describe(info.item_type)}"
        case msgspec.inspect.DictType():
            return f"a table, each value {_describe(info.value_type)}"
        case msgspec.inspect.UnionType():
            present = [one for one in info.types if not isinstance(one, msgspec.inspect.NoneType)]
            return " or ".join(_describe(one) for one in present)
        case _:
            return "a table"


def _range(ge: float | None, gt: float | None, le: float | None) -> str:
    if gt is not None:
        return f" above {_number(gt)}"
    if ge is not None and le is not None:
        return f" from {_number(ge)} to {_number(le)}"
    return ""


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    shown = f'"{value}"' if isinstance(value, str) else repr(value)
    return shown if len(shown) <= _SHOWN_CHARACTERS_MAX else shown[: _SHOWN_CHARACTERS_MAX - 1] + "…"

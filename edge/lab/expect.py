"""Does what was measured satisfy what was expected?

Expectations are written as small expressions:

    round_robin.phones.p95_ms > 3 * two_choices.phones.p95_ms
    edge.phones.after.errors == 0
    count(edge, "edge_cache_requests_total", result="hit") > 10

A name is a variant, then a load, then a window (optional), then a metric of
`METRICS`.  There is arithmetic, comparison, `and`, `or`, `not`, and the functions
`min`, `max`, `abs` and `count`.  It is Python's grammar, parsed by `ast` and
evaluated here node by node: nothing else of Python can be reached.
"""

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from edge.common.errors import EdgeError

METRICS = frozenset(
    {
        "sent", "ok", "errors", "error_share", "rate", "ok_rate", "p50_ms", "p90_ms", "p95_ms", "p99_ms",
        "max_ms", "mean_ms", "gap_ms", "servers", "busiest_share", "moved", "queue_max", "refused",
        "timeouts",
        "unauthorized", "limited", "blocked", "server_errors", "attempts", "first_ok_s", "last_error_s",
    }
)  # fmt: skip

_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}
EXPRESSION_CHARS_MAX = 500


class Unanswerable(EdgeError):
    """The expression asks for something that was not measured."""

    blame = "operator"
    status_hint = None


def evaluate(expression: str, measures: Mapping[str, Any]) -> Any:
    """The value of `expression`.

    `measures` maps names to nested mappings; a leaf is a number.  A variant's
    mapping holds its counters under "counters" as rows of (name, labels, value).
    Raises `Unanswerable`.
    """
    try:
        return _value(_parsed(expression), measures)
    except ZeroDivisionError:
        raise Unanswerable(f"{expression!r} divides by zero") from None
    except TypeError as error:
        raise Unanswerable(f"{expression!r}: {error}") from error


def problems_of(expression: str, known: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with `expression` before anything was measured; `known` nests names."""
    try:
        tree = _parsed(expression)
    except Unanswerable as error:
        yield str(error)
        return
    yield from _doubts(tree, known)


def operands(expression: str, measures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Every measure in `expression` with its value: what to show beside a verdict."""
    found: dict[str, Any] = {}
    for node in ast.walk(_parsed(expression)):
        is_measure = isinstance(node, ast.Attribute) and node.attr in METRICS
        is_count = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "count"
        if is_measure or is_count:
            assert isinstance(node, ast.expr)
            found[ast.unparse(node)] = _value(node, measures)
    return list(found.items())


def _parsed(expression: str) -> ast.expr:
    if len(expression) > EXPRESSION_CHARS_MAX:
        raise Unanswerable(f"an expression has at most {EXPRESSION_CHARS_MAX} characters")
    try:
        return ast.parse(expression.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError) as error:
        raise Unanswerable(f"{expression!r} is no expression: {error}") from error


def _value(node: ast.expr, measures: Mapping[str, Any]) -> Any:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float | str | bool):
        return node.value
    if isinstance(node, ast.Name | ast.Attribute):
        return _look_up(node, measures)
    if isinstance(node, ast.BinOp) and type(node.op) in _BINARY:
        return _BINARY[type(node.op)](_value(node.left, measures), _value(node.right, measures))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        value = _value(node.operand, measures)
        return -value if isinstance(node.op, ast.USub) else not value
    if isinstance(node, ast.BoolOp):
        values = (_value(part, measures) for part in node.values)
        return all(values) if isinstance(node.op, ast.And) else any(values)
    if isinstance(node, ast.Compare):
        sides = [_value(part, measures) for part in (node.left, *node.comparators)]
        pairs = zip(sides, node.ops, sides[1:], strict=False)
        return all(_COMPARE[type(op)](left, right) for left, op, right in pairs)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        arguments = [_value(argument, measures) for argument in node.args]
        if node.func.id == "count":
            labels = {word.arg: str(_value(word.value, measures)) for word in node.keywords if word.arg}
            return count(arguments[0], str(arguments[1]), labels)
        if node.func.id in _FUNCTIONS:
            return _FUNCTIONS[node.func.id](*arguments)
    raise Unanswerable(f"{ast.unparse(node)!r} is not part of this language")


def count(variant: Mapping[str, Any], name: str, labels: Mapping[str, str]) -> float:
    """How much the counter `name` rose during the run, over all processes and unnamed labels."""
    return sum(
        float(value)
        for row_name, row_labels, value in variant["counters"]
        if row_name == name and labels.items() <= row_labels.items()
    )


def _look_up(node: ast.expr, measures: Mapping[str, Any]) -> Any:
    path = _path(node)
    here: Any = measures
    for at, name in enumerate(path):
        if not isinstance(here, Mapping) or name not in here:
            raise Unanswerable(f"{'.'.join(path[: at + 1])} was not measured")
        here = here[name]
    return here


def _path(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Name):
        return [node.id]
    assert isinstance(node, ast.Attribute)
    return (
        [*_path(node.value), node.attr] if isinstance(node.value, ast.Name | ast.Attribute) else [node.attr]
    )


def _doubts(node: ast.expr, known: Mapping[str, Any]) -> Iterator[str]:
    if isinstance(node, ast.Name):
        if node.id not in known:
            yield f"no variant is called {node.id!r}"
        return
    if isinstance(node, ast.Attribute):
        yield from _path_doubts(_path(node), known)
        return
    allowed = (ast.Constant, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.Call)
    if not isinstance(node, allowed):
        yield f"{ast.unparse(node)!r} is not part of this language"
        return
    if isinstance(node, ast.BinOp) and type(node.op) not in _BINARY:
        yield f"{ast.unparse(node)!r}: there is only + - * /"
    if isinstance(node, ast.Compare) and any(type(op) not in _COMPARE for op in node.ops):
        yield f"{ast.unparse(node)!r}: there is only < <= > >= == !="
    if isinstance(node, ast.Call):
        name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
        if name not in (*_FUNCTIONS, "count"):
            yield f"there is no function {name!r}"
        children: list[ast.expr] = [*node.args, *(word.value for word in node.keywords)]
    else:
        children = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    for child in children:
        yield from _doubts(child, known)


def _path_doubts(path: list[str], known: Mapping[str, Any]) -> Iterator[str]:
    *places, metric = path
    here = known
    for at, name in enumerate(places):
        if name not in here:
            kind = ("variant", "load", "window")[min(at, 2)]
            yield f"no {kind} is called {name!r}"
            return
        here = here[name]
    if len(places) < 2:
        yield f"{'.'.join(path)} lacks its load: variant.load.metric"
    elif metric not in METRICS:
        yield f"no metric is called {metric!r}"

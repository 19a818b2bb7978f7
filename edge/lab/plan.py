"""What does a lab's file ask for?

A lab is one TOML file in `labs/`: a question, what to watch for, an edge to run
it on, load, steps, and what is expected to come out.  `parse` checks all of it,
also that every expectation can be evaluated, and reports every mistake at once.
"""

import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from edge.common.errors import ConfigError
from edge.lab.expect import problems_of

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
Seconds = Annotated[float, Meta(ge=0, le=600)]

# What the runner knows how to do at a given second.
Action = Literal["fault", "clear", "kill", "stop-tier", "drain", "undrain", "weight", "set", "deploy", "note"]
# What the phones of a load do.
PhoneKind = Literal["requests", "users", "slowloris", "flood", "syn-flood", "dns-users"]


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """The parent of everything in the file."""


class Predict(Value, frozen=True, kw_only=True):
    """A guess that the learner makes before the run."""

    ask: str
    answer: str  # an expression over the measures
    unit: str = ""


class Variant(Value, frozen=True, kw_only=True):
    """One run: the same load on an edge with these settings."""

    name: Name
    note: str = ""
    set: dict[str, str | int | float | bool | list[str]] = {}
    kernel: dict[str, int] = {}  # parameters of the lab's own network, such as net.ipv4.tcp_syncookies


class Load(Value, frozen=True, kw_only=True):
    """Some phones, and what they do."""

    name: Name = "phones"
    kind: PhoneKind = "requests"
    path: str = "/toy/work"
    paths: tuple[str, ...] = ()  # taken in turn instead of `path`
    method: str = "GET"
    body: str = ""
    rate_per_s: Annotated[float, Meta(gt=0, le=5000)] = 20.0  # requests, floods: open loop
    users: Annotated[int, Meta(ge=1, le=2000)] = 10  # users, slowloris, dns-users
    think_ms: Annotated[float, Meta(ge=0)] = 100.0
    from_s: Seconds = 0.0
    for_s: Annotated[float, Meta(gt=0, le=600)] = 5.0
    bursts_every_s: Annotated[float, Meta(ge=0)] = 0.0  # requests: the rate's worth, all at once
    connection: Literal["keep", "new", "resume"] = "keep"
    source: str = ""  # the phones' own address, such as 127.0.9.1; a /24 with a * at the end
    timeout_s: Annotated[float, Meta(gt=0, le=60)] = 5.0
    retries: Annotated[int, Meta(ge=0, le=10)] = 0
    backoff_ms: Annotated[float, Meta(ge=0)] = 0.0
    login: str = ""  # POST here first; its cookies are sent from then on
    account: str = ""  # log in at the real `login` service under this name
    to: str = ""  # "": through the edge; "service:toy-1": straight to that process
    pop: str = ""  # which POP's address; the first one where nothing is said
    city: str = "jaipur"  # dns-users: where they are
    headers: dict[str, str] = {}
    one_way_ms: Annotated[float, Meta(ge=0, le=1000)] = 0.0  # distance to the edge, simulated by the phone
    only: tuple[str, ...] = ()  # names of variants; empty: all
    accept: tuple[int, ...] = ()  # statuses that count as right, beside 200 to 399


class Step(Value, frozen=True, kw_only=True):
    """Something that happens during the run."""

    at_s: Seconds
    do: Action
    target: str = ""
    args: dict[str, str | int | float | bool] = {}
    text: str = ""
    only: tuple[str, ...] = ()  # names of variants; empty: all


class Window(Value, frozen=True, kw_only=True):
    """A stretch of the run to look at by itself."""

    name: Name
    from_s: Seconds
    until_s: Seconds


class Column(Value, frozen=True, kw_only=True):
    """A column of the results' table, a line per variant.

    `of` is written without the variant, or with `{v}` for each place where it belongs.
    """

    title: str
    of: str

    def of_variant(self, variant: str) -> str:
        """The expression for the variant of that name."""
        name = identifier(variant)
        return self.of.replace("{v}", name) if "{v}" in self.of else f"{name}.{self.of}"


class Expect(Value, frozen=True, kw_only=True):
    """What has to come out, and why it does."""

    that: str
    because: str


class Lab(Value, frozen=True, kw_only=True):
    """The whole file."""

    title: str
    question: str
    watch_for: tuple[str, ...]
    learn: tuple[str, ...]
    story: str = ""
    level: Annotated[int, Meta(ge=1, le=3)] = 1
    code: tuple[str, ...] = ()  # "edge/l4/admission.py:Admission"
    config: str = "toy.toml"  # in labs/config, or "edge.toml"
    set: dict[str, str | int | float | bool | list[str]] = {}
    settle_s: Seconds = 0.5
    own_network: bool = False  # runs in a network namespace; no root is needed for that
    predict: Predict
    variant: tuple[Variant, ...] = (Variant(name="edge"),)
    load: tuple[Load, ...]
    step: tuple[Step, ...] = ()
    window: tuple[Window, ...] = ()
    column: tuple[Column, ...] = ()
    expect: tuple[Expect, ...]
    ci: bool = False  # short and steady enough for every push

    def loads_of(self, variant: str) -> list[Load]:
        """The phones of that variant."""
        return [load for load in self.load if not load.only or variant in load.only]

    def seconds(self) -> float:
        """How long all variants take, without the edge's own start and stop."""
        longest = max(load.from_s + load.for_s for load in self.load)
        return len(self.variant) * (longest + self.settle_s)


def parse(text: str, name: str) -> Lab:
    """The lab in `text`.  Raises `ConfigError` with every problem found."""
    try:
        lab = msgspec.convert(tomllib.loads(text), Lab)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigError([f"{name}: {error}"]) from error
    problems = [f"{name}: {problem}" for problem in _problems(lab)]
    if problems:
        raise ConfigError(problems)
    return lab


def _problems(lab: Lab) -> Iterator[str]:
    # One name for different phones in different variants: what is compared is called the same.
    by_variant = [[load.name for load in lab.loads_of(variant.name)] for variant in lab.variant]
    for kind, names in (
        ("variant", [variant.name for variant in lab.variant]),
        *(("load", names) for names in by_variant),
        ("window", [window.name for window in lab.window]),
    ):
        for repeated in {one for one in names if names.count(one) > 1}:
            yield f"two {kind}s are called {repeated!r}"
    if not lab.own_network:
        if any(variant.kernel for variant in lab.variant):
            yield "kernel = {...} needs own-network: the lab must not change this machine's"
        if any(load.kind == "syn-flood" for load in lab.load):
            yield "a syn-flood needs own-network: forged packets must not leave the lab"
    variants = {variant.name for variant in lab.variant}
    for only in (*(step.only for step in lab.step), *(load.only for load in lab.load)):
        for unknown in set(only) - variants:
            yield f"only = {list(only)}: no variant is called {unknown!r}"
    for window in lab.window:
        if window.from_s >= window.until_s:
            yield f"window {window.name!r} ends before it begins"
    known = skeleton(lab)
    for what, expression in _expressions(lab):
        for problem in problems_of(expression, known):
            yield f"{what} {expression!r}: {problem}"


def _expressions(lab: Lab) -> Iterator[tuple[str, str]]:
    yield "predict", lab.predict.answer
    for expect in lab.expect:
        yield "expect", expect.that
    for column in lab.column:
        yield "column", column.of_variant(lab.variant[0].name)


def skeleton(lab: Lab) -> dict[str, Any]:
    """The names an expression may use: variant -> load -> window."""
    windows: dict[str, Any] = {identifier(window.name): {} for window in lab.window}
    loads = {identifier(load.name): dict(windows) for load in lab.load}
    return {identifier(variant.name): dict(loads) for variant in lab.variant}


def identifier(name: str) -> str:
    """A lab's name for a thing as an expression spells it."""
    return name.replace("-", "_")

"""What is a rule, once nobody cares which language it was written in?

Both front ends (`seclang`, `native`) produce these values and nothing else, so
everything after them (assembly, constant folding, prefilter, engine, explain) exists once.
The vocabulary is ModSecurity's, because the Core Rule Set is written in it:

* a *target* names a collection of request parts ("ARGS", "REQUEST_HEADERS:host", "!ARGS:token", "&ARGS");
* a *link* tests the transformed values of its targets with one operator;
* a *rule* is a chain of links, all of which have to match, plus what to do then;
* a *marker* is a place that `skipAfter` jumps to.

All of it is immutable; nothing here knows a request.
"""

from dataclasses import dataclass
from typing import Literal

Phase = Literal[1, 2, 3, 4, 5]
Disruption = Literal["pass", "block", "deny", "drop", "allow", "redirect"]

# Anomaly points by severity, as the Core Rule Set counts them.
SEVERITY_POINTS = {"CRITICAL": 5, "ERROR": 4, "WARNING": 3, "NOTICE": 2}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the operator's files something was written; line 0 is the file as a whole."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Target:
    """Which values a link looks at.

    `collection` is upper case ("ARGS").  `key` picks one entry (lower case), `pattern` picks entries by
    regular expression; with neither, the whole collection is meant.  `count`: look at the number of entries
    instead.  `exclude`: take these entries away again."""

    collection: str
    key: bytes | None = None
    pattern: bytes | None = None
    count: bool = False
    exclude: bool = False

    def __str__(self) -> str:
        sign = "!" if self.exclude else "&" if self.count else ""
        if self.pattern is not None:
            return f"{sign}{self.collection}:/{self.pattern.decode('latin-1')}/"
        if self.key is not None:
            return f"{sign}{self.collection}:{self.key.decode('latin-1')}"
        return f"{sign}{self.collection}"


@dataclass(frozen=True, slots=True)
class Macro:
    """Text with holes: literal bytes, and `(collection, key)` pairs to be filled from the request.

    "%{tx.0} in %{MATCHED_VAR}" is `((b"", "TX", b"0"), (b" in ", "MATCHED_VAR", b""))` and the tail b"".
    """

    holes: tuple[tuple[bytes, str, bytes], ...]
    tail: bytes

    @property
    def constant(self) -> bytes | None:
        """The text itself when there is no hole in it."""
        return None if self.holes else self.tail

    def __str__(self) -> str:
        parts: list[str] = []
        for before, collection, key in self.holes:
            name = f"{collection}.{key.decode('latin-1')}" if key else collection
            parts.append(f"{before.decode('latin-1')}%{{{name}}}")
        return "".join(parts) + self.tail.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Operator:
    """One test.  `name` is lower case; `phrases` holds the lines of the file that `pmFromFile` and friends
    named."""

    name: str
    argument: Macro
    negated: bool = False
    phrases: tuple[bytes, ...] = ()

    def __str__(self) -> str:
        return f"{'!' if self.negated else ''}@{self.name} {self.argument}".rstrip()


@dataclass(frozen=True, slots=True)
class SetVar:
    """Write a transaction variable: "=" assigns, "+" and "-" count, "!" removes."""

    name: Macro
    how: Literal["=", "+", "-", "!"]
    value: Macro


@dataclass(frozen=True, slots=True)
class Control:
    """Change how the rest of this transaction is inspected (`ctl:`).  `value` may still name a target after
    `;`."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Link:
    """One test of a chain, and what happens each time it matches.  `operator` None: matches
    unconditionally."""

    targets: tuple[Target, ...]
    operator: Operator | None
    transforms: tuple[str, ...] = ()
    multi_match: bool = False
    capture: bool = False
    setvars: tuple[SetVar, ...] = ()
    controls: tuple[Control, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """A chain of links and what a match of the whole chain means.

    `points` and `family` exist for the explanation only: what the engine adds up is written in `setvars`.
    `bookkeeping`: the rule counts or compares scores; it is never the reason for a block.
    """

    id: int
    phase: Phase
    links: tuple[Link, ...]
    action: Disruption = "pass"
    status: int = 403
    severity: str = ""
    message: Macro = Macro((), b"")
    log_data: Macro = Macro((), b"")
    tags: tuple[str, ...] = ()
    log: bool = True
    skip_after: str = ""
    paranoia: int = 1
    explanation: str = ""
    bookkeeping: bool = False
    place: Place = Place("", 0)


@dataclass(frozen=True, slots=True)
class Marker:
    """Where `skipAfter:name` lands.  A rule's id is a landing place as well."""

    name: str


@dataclass(frozen=True, slots=True)
class Removal:
    """Rules named by id range or by tag pattern disappear (SecRuleRemoveById, SecRuleRemoveByTag)."""

    selector: "Selector"
    place: Place


@dataclass(frozen=True, slots=True)
class Retarget:
    """Rules named by the selector get more targets, or exclusions (SecRuleUpdateTargetById and ByTag)."""

    selector: "Selector"
    targets: tuple[Target, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Reaction:
    """A rule named by id gets another disruptive action or status (SecRuleUpdateActionById)."""

    selector: "Selector"
    action: Disruption | None
    status: int | None
    place: Place


@dataclass(frozen=True, slots=True)
class Selector:
    """Which rules are meant: any of the inclusive id ranges, or any tag that the pattern finds."""

    ranges: tuple[tuple[int, int], ...] = ()
    tag: bytes = b""
    message: bytes = b""

    def names_id(self, rule_id: int) -> bool:
        """Whether one of the id ranges holds `rule_id`."""
        return any(low <= rule_id <= high for low, high in self.ranges)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A narrow exception: these rules do not look at these targets on these requests.

    `expires_unix_s` 0 never expires; `reason` is for the person who finds it in a year.
    """

    selector: Selector
    targets: tuple[Target, ...]  # empty: the rules do not run at all
    host: str = ""
    path_prefix: str = ""
    path: str = ""  # exactly this one
    methods: tuple[str, ...] = ()
    reason: str = ""
    expires_unix_s: float = 0.0
    place: Place = Place("", 0)


Statement = Rule | Marker | Removal | Retarget | Reaction | Exclusion

"""Through which matcher is each rule found, and which values go through it?

Rules are sorted by what they look at:

* *content*: decoded values (path, arguments, cookies, files); *raw*: lines as they were sent.  Each has one
  matcher for the rules of all phases, so that a new value is searched once.
* A rule whose pattern is in ordinary values, like the one that looks for a dot in the path, would raise
  false alarms for every other value.  It goes into a small matcher with its like, for the values of its own
  class alone.
* *lines*: headers, which repeat from request to request (see `header_memory`).
* the rest is walked on every request, or (`header_only`) for every new block of headers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from edge.l7.waf.compiled import Step
from edge.l7.waf.fold import Folded
from edge.l7.waf.form import Link, Phase, Target
from edge.l7.waf.matcher import Filter
from edge.l7.waf.prefilter import Screen, Spot
from edge.l7.waf.regex import Pattern
from edge.l7.waf.searchable import anchored, crosses_lines, is_the_same, searchable
from edge.l7.waf.variables import COLLECTIONS, Part, Transaction, xml_items

_PATH = frozenset(("REQUEST_FILENAME", "REQUEST_BASENAME"))
_NAMES = frozenset(("ARGS_NAMES", "ARGS_GET_NAMES", "ARGS_POST_NAMES", "REQUEST_COOKIES_NAMES"))
_UPLOAD = frozenset(("FILES", "FILES_NAMES", "MULTIPART_PART_HEADERS"))
_CONTENT = _PATH | _NAMES | _UPLOAD | frozenset(["ARGS", "ARGS_GET", "ARGS_POST", "REQUEST_COOKIES", "XML"])
_TARGET = frozenset(("REQUEST_URI", "REQUEST_URI_RAW", "QUERY_STRING"))
_RAW = frozenset(["REQUEST_LINE", "REQUEST_URI", "REQUEST_URI_RAW", "QUERY_STRING", "REQUEST_BODY"])
# The raw Cookie header, which rules for all headers see.
_COOKIE_LINE = "REQUEST_HEADERS:cookie"
COOKIE = b"cookie"
_HEADER = frozenset(("REQUEST_HEADERS", "REQUEST_HEADERS_NAMES"))

# Values as most requests carry them.  What a pattern finds in them says nothing about soundness, only about
# how often it would be a false alarm.
_ORDINARY_CONTENT = (
    b"/feed/timeline.html", b"timeline.html", b"/api/v1/media/953_6/", b"/", b"page", b"q", b"sort", b"lang",
    b"en", b"en-GB", b"20", b"0", b"true", b"hello world", b"Ada Lovelace", b"edge_session", b"_ga",
    b"eyJhbGciOiJFZERTQSJ9.abc-DEF_12.xyz", b"GA1.2.1234567890.1700000000", b"ada@example.com", b"2026-11-28",
    b"550e8400-e29b-41d4-a716-446655440000", b"https://i.edge.test/explore", b"me.png", b"1.5", b"a,b,c",
)  # fmt: skip
_ORDINARY_RAW = (
    b"GET /feed?page=1 HTTP/1.1",
    b"GET /feed/timeline?page=1&size=20&q=hello+world HTTP/1.1", b"/feed/timeline?page=1&size=20&q=a%20b",
    b"page=1&size=20&q=hello+world&mail=ada%40example.com", b"edge_session=eyJhbGciOiJ.ab-c_1.x; theme=dark",
    b"name=Ada+Lovelace&email=ada%40example.com&note=see+you+at+10",
)  # fmt: skip

_Values = Callable[[Transaction], Iterable[bytes]]


def _values(collection: str) -> _Values:
    items = COLLECTIONS[collection][0]
    return lambda t: [value for _, value in items(t)]


def _query_values(t: Transaction) -> list[bytes]:
    return [value for _, value in t.arguments_get()]


def _query_names(t: Transaction) -> list[bytes]:
    return [name for name, _ in t.arguments_get()]


def _xml(t: Transaction) -> list[bytes]:
    return [value for path in (b"/*", b"//@*") for _, value in xml_items(t, path)]


# Where a collection's values come from before there is a body, and what a body adds.
_OF_HEAD: dict[str, _Values] = {
    "ARGS": _query_values,
    "ARGS_GET": _query_values,
    "ARGS_NAMES": _query_names,
    "ARGS_GET_NAMES": _query_names,
    _COOKIE_LINE: lambda t: t.header(COOKIE),
} | {
    name: _values(name)
    for name in ("REQUEST_COOKIES", "REQUEST_COOKIES_NAMES", "REQUEST_LINE", *sorted(_PATH | _TARGET))
}
_OF_BODY: dict[str, _Values] = {
    "ARGS": _values("ARGS_POST"),
    "ARGS_NAMES": _values("ARGS_POST_NAMES"),
    "XML": _xml,
} | {name: _values(name) for name in ("ARGS_POST", "ARGS_POST_NAMES", "REQUEST_BODY", *sorted(_UPLOAD))}


@dataclass(slots=True)
class Pool:
    """A class of values and who looks at it."""

    screen: Screen
    collections: set[str] = field(default_factory=set)
    of_head: tuple[_Values, ...] = ()
    of_body: tuple[_Values, ...] = ()

    def settle(self) -> None:
        """Every collection is known now."""
        names = sorted(self.collections)
        self.of_head = tuple(dict.fromkeys(_OF_HEAD[name] for name in names if name in _OF_HEAD))
        self.of_body = tuple(dict.fromkeys(_OF_BODY[name] for name in names if name in _OF_BODY))


@dataclass(slots=True)
class PhasePlan:
    """The steps of one phase that no matcher finds."""

    folded: Folded
    always: list[int] = field(default_factory=list)  # not only about headers
    header_only: list[int] = field(default_factory=list)
    # Of those: about which headers there are, and about what is in them.
    of_names: list[int] = field(default_factory=list)
    of_lines: list[int] = field(default_factory=list)
    # Of `always`, where there is no body: known with the headers, and asked each time; what is in neither
    # only says how others are to look.
    bodiless: list[int] = field(default_factory=list)
    asked: list[Step] = field(default_factory=list)


class Plan:
    """All phases, sorted."""

    def __init__(self, folded: Mapping[Phase, Folded]) -> None:
        self._pools: dict[str, Pool] = {}
        self._everything = Filter()
        self.lines = Screen(self._everything)
        self.names_of: dict[Spot, tuple[Target, ...]] = {}  # rules in `lines` -> their header targets
        self.phases = {phase: PhasePlan(one) for phase, one in folded.items()}
        for phase, planned in self.phases.items():
            for position in planned.folded.always:
                self._sort_in(phase, position, planned)
        self.pools = list(self._pools.values())
        for pool in self.pools:
            pool.settle()
        self.asked = [step for phase, one in self.phases.items() if phase <= 2 for step in one.asked]

    def step(self, spot: Spot) -> Step:
        """The step at `spot`."""
        phase, position = spot
        return self.phases[phase].folded.steps[position]

    def _sort_in(self, phase: Phase, position: int, planned: PhasePlan) -> None:
        step = planned.folded.steps[position]
        first = step.links[0].link
        targets = tuple(target for target in first.targets if not target.exclude)
        collections = {target.collection for target in targets}
        pattern = searchable(first) if collections <= _CONTENT | _RAW | _HEADER else None
        if (
            pattern is None
            or (crosses_lines(pattern) and anchored(first))
            or (phase == 1 and "REQUEST_BODY" in collections)  # the body is looked at when it has been read
        ):
            step.ask_first()
            if is_about_headers(step):
                planned.header_only.append(position)
                (planned.of_names if is_about_names(step) else planned.of_lines).append(position)
                return
            planned.always.append(position)
            if is_about_headers(step, or_body=True):
                planned.bodiless.append(position)
            elif not only_steers(step):
                planned.asked.append(step)
            return
        for source in step.links[0].sources:
            source.searched = source.collection in _CONTENT | _RAW
        if is_the_same(pattern, first):
            step.links[0].borrow(self._everything.pattern(self._everything.add(pattern.source)))
        spot = (phase, position)
        headers = tuple(target for target in targets if target.collection in _HEADER)
        if headers:
            self.lines.add(spot, step, pattern)
            self.names_of[spot] = headers
        content, raw = collections & _CONTENT, collections & _RAW
        if _sees_cookie_line(first.targets):
            raw.add(_COOKIE_LINE)
        if content:
            noisy = _is_noisy(step, pattern, _ORDINARY_CONTENT)
            self._into(_class_of(content) if noisy else "content", content, spot, step, pattern)
        noisy = bool(raw) and _is_noisy(step, pattern, _ORDINARY_RAW)
        for collection in raw if noisy else ():
            name = "target" if collection in _TARGET else collection
            self._into(name, {collection}, spot, step, pattern)
        if raw and not noisy:
            self._into("raw", raw, spot, step, pattern)

    def _into(self, name: str, collections: set[str], spot: Spot, step: Step, pattern: Pattern) -> None:
        pool = self._pools.setdefault(name, Pool(Screen(self._everything)))
        pool.collections |= collections
        pool.screen.add(spot, step, pattern)


def _class_of(content: set[str]) -> str:
    for name, members in (("path", _PATH), ("names", _NAMES), ("upload", _UPLOAD)):
        if content <= members:
            return name
    return "all"


def _sees_cookie_line(targets: tuple[Target, ...]) -> bool:
    keys = {t.key for t in targets if t.collection == "REQUEST_HEADERS" and not t.exclude}
    excluded = {t.key for t in targets if t.collection == "REQUEST_HEADERS" and t.exclude}
    return not keys.isdisjoint((None, COOKIE)) and COOKIE not in excluded


def _is_noisy(step: Step, pattern: Pattern, ordinary: tuple[bytes, ...]) -> bool:
    return any(pattern.found(text) for value in ordinary for text in step.links[0].pipeline.stages(value))


def only_steers(step: Step) -> bool:
    """Whether a match does nothing but take targets away from other rules, or show them a body: where no
    other rule matches without it, and there is no body, none does with it."""
    rule = step.rule
    return (
        not rule.log
        and rule.action == "pass"
        and not rule.skip_after
        and not any(one.link.setvars or one.link.capture for one in step.links)
        and all(control.name in _STEERING for one in step.links for control in one.link.controls)
    )


_STEERING = frozenset(("forcerequestbodyvariable", "ruleremovetargetbyid", "ruleremovetargetbytag"))


def is_about_headers(step: Step, *, or_body: bool = False) -> bool:
    """Whether the outcome depends on nothing but the method, the protocol and the headers without Cookie.
    `or_body`: and on the body, of which there is none."""
    parts: tuple[Part, ...] = ("head", "body") if or_body else ("head",)
    if not step.rule_is_private and len(step.links) > 1:
        return False
    links = [compiled.link for compiled in step.links]
    if any(link.controls for link in links) or step.rule.action not in {"pass", "block"}:
        return False
    return all(
        reads_only(link, (*parts, "tx") if index else parts)
        and (link.operator is None or all(hole[1] == "TX" for hole in link.operator.argument.holes))
        for index, link in enumerate(links)
    )


def is_about_names(step: Step) -> bool:
    """Whether a rule about headers reads their names alone."""
    return all(
        target.collection == "REQUEST_HEADERS_NAMES" or COLLECTIONS[target.collection][1] == "tx"
        for compiled in step.links
        for target in compiled.link.targets
    )


def reads_only(link: Link, parts: tuple[Part, ...]) -> bool:
    """Whether all its values come from these parts of a request; Cookie is no part of the head."""
    return all(
        COLLECTIONS[target.collection][1] in parts
        and not (target.pattern is not None and COLLECTIONS[target.collection][1] != "tx")
        and not (target.collection == "REQUEST_HEADERS" and target.key in {None, COOKIE})
        for target in link.targets
    )

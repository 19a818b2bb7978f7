"""How does one link look at a request?

A `CompiledLink` is a link with everything decided that can be decided at load: where its values come from,
which function transforms them, which function tests them.  `matches` yields what matched; it changes nothing.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

from edge.l7.waf.bodies import Items
from edge.l7.waf.form import Link, Rule, Selector, Target
from edge.l7.waf.operators import Hit, Test, compile_operator, pattern_test, takes_long_to_compile
from edge.l7.waf.regex import Pattern, compile_pattern
from edge.l7.waf.request import WafRequest
from edge.l7.waf.ruleset import selects
from edge.l7.waf.transform import pipeline_of
from edge.l7.waf.variables import COLLECTIONS, Transaction, xml_items

# (collection, key, value after transformations, hit)
Found = tuple[str, bytes, bytes, Hit]
# After so many bytes of values somebody looks at the clock: half a millisecond of reading them as SQL.  The
# effort that a value is besides its bytes, as bytes.
MIND_BYTES = 1024
VALUE_BYTES = 32
_UNCONDITIONAL: Hit = (-1, ())
_NOBODY = Transaction(WafRequest("", "", b"", "", ()))


class Source:
    """One target without its exclusions: the values it stands for.  `searched`: by the prefilter."""

    __slots__ = ("collection", "get", "searched", "target")

    def __init__(self, target: Target) -> None:
        self.collection = target.collection
        self.target = target
        self.searched = False
        self.get: Callable[[Transaction], Items] = _counted(target) if target.count else _getter(target)


def _getter(target: Target) -> Callable[[Transaction], Items]:
    collection, key = target.collection, target.key
    values = COLLECTIONS[collection][0]
    if collection == "XML":
        path = key or b"/*"
        return lambda t: xml_items(t, path)
    if target.pattern is not None:
        finds = compile_pattern(b"(?i)" + target.pattern).found
        return lambda t: [item for item in values(t) if finds(item[0])]
    if key is None:
        return values
    name = key
    if collection == "REQUEST_HEADERS":
        return lambda t: [(name, value) for value in t.header(name)]
    if collection == "RESPONSE_HEADERS":
        return lambda t: [(name, value) for value in t.answer_header(name)]
    if collection == "TX":
        return lambda t: [(name, t.tx[name])] if name in t.tx else []
    return lambda t: [item for item in values(t) if item[0].lower() == name]


def _counted(target: Target) -> Callable[[Transaction], Items]:
    every = _getter(target)
    key = target.key or b""
    return lambda t: [(key, b"%d" % len(every(t)))]


def excludes(target: Target) -> Callable[[str, bytes], bool]:
    """A function that says whether `target` takes `(collection, key)` away."""
    collection, key = target.collection, target.key
    if target.pattern is not None:
        finds = compile_pattern(b"(?i)" + target.pattern).found
        return lambda name, item: name == collection and finds(item)
    if key is None:
        return lambda name, item: name == collection
    wanted = key
    return lambda name, item: name == collection and item.lower() == wanted


class CompiledLink:
    """One test, ready to run."""

    __slots__ = ("excluded", "link", "multi", "negated", "pipeline", "sources", "test", "transforms")

    def __init__(self, link: Link) -> None:
        self.link = link
        self.sources = tuple(Source(target) for target in link.targets if not target.exclude)
        self.excluded = tuple(excludes(target) for target in link.targets if target.exclude)
        self.pipeline = pipeline_of(link.transforms)
        self.transforms = bool(self.pipeline.names)
        self.multi = link.multi_match and self.transforms
        self.negated = link.operator is not None and link.operator.negated
        self.test: Test | None = compile_operator(link.operator) if link.operator is not None else None

    def matches(
        self,
        transaction: Transaction,
        removed: Callable[[str, bytes], bool] | None = None,
        suspects: set[bytes] | None = None,
        mind: Callable[[], None] | None = None,
    ) -> Iterator[Found]:
        """Every value that matches, in order.  `removed` takes targets away for this request only;
        `suspects`: of the values that the prefilter has searched, those that may match; `mind` is called now
        and then, and raises when there is no more time."""
        test, negated = self.test, self.negated
        if test is None:
            yield "", b"", b"", _UNCONDITIONAL
            return
        pipeline = self.pipeline if self.transforms else None
        unminded = 0
        for source in self.sources:
            among = suspects if source.searched else None
            for key, value in source.get(transaction):
                if among is not None and value not in among:
                    continue
                if self.excluded and any(away(source.collection, key) for away in self.excluded):
                    continue
                if removed is not None and removed(source.collection, key):
                    continue
                if mind is not None:
                    unminded += len(value) + VALUE_BYTES
                    if unminded > MIND_BYTES:
                        mind()
                        unminded = 0
                if self.multi:
                    assert pipeline is not None
                    for text in pipeline.stages(value):
                        hit = test(text, transaction)
                        if (hit is None) is negated:
                            yield source.collection, key, text, hit or (-1, (text,))
                    continue
                if pipeline is not None:
                    value = transaction.made(pipeline, value)
                hit = test(value, transaction)
                if (hit is None) is negated:
                    yield source.collection, key, value, hit or (-1, (value,))

    def borrow(self, pattern: Pattern) -> None:
        """Ask `pattern` from now on: it finds the same in the same place, and is compiled in any case."""
        self.test = pattern_test(pattern)

    def stands_alone(self) -> bool:
        """Whether what it matches depends on the request and on no link before it."""
        operator = self.link.operator
        return (
            operator is not None
            and operator.argument.constant is not None
            and all(COLLECTIONS[target.collection][1] != "tx" for target in self.link.targets)
        )

    def is_silent(self, transaction: Transaction) -> bool:
        """Whether nothing matches.  The same question as `matches`, at a third of its price where the answer
        is yes; it says no where it would have to look closely."""
        test, negated = self.test, self.negated
        if test is None or self.multi:
            return False
        pipeline = self.pipeline if self.transforms else None
        for source in self.sources:
            for key, value in source.get(transaction):
                if self.excluded and any(away(source.collection, key) for away in self.excluded):
                    continue
                if (test(pipeline(value) if pipeline else value, transaction) is None) is negated:
                    return False
        return True


class Step:
    """One rule, ready to run.

    `skip_to` is the position in its phase where the walk goes on after a match, -1: the next one.
    `rule_is_private`: the variables that a failing chain leaves behind are read by no other rule.
    `asks_first`: walked on every request and mostly in vain, so it is worth a cheap question first.
    `proofs`: links of which any that matches nothing shows that the chain does not match and leaves nothing
    behind."""

    __slots__ = (
        "asks_first",
        "links",
        "proofs",
        "rule",
        "rule_is_private",
        "selected",
        "skip_to",
        "snapshot",
    )

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.links = tuple(CompiledLink(link) for link in rule.links)
        self.skip_to = -1
        self.asks_first = False
        self.proofs = self.links[:1]
        self.rule_is_private = False
        self.selected: dict[Selector, bool] = {}
        self.snapshot: dict[bytes, bytes] = {}

    def ask_first(self) -> None:
        """From now on, ask whether a link is silent before the rule is evaluated."""
        self.asks_first = True
        proofs = [self.links[0]]
        for before, compiled in pairwise(self.links):
            link = before.link
            if link.setvars or link.controls or link.capture or not compiled.stands_alone():
                break
            proofs.append(compiled)
        self.proofs = tuple(proofs)

    def is_silent(self, transaction: Transaction) -> bool:
        """Whether the rule certainly does not match; see `proofs`."""
        return any(link.is_silent(transaction) for link in self.proofs)

    def prepare(self) -> None:
        """Compile patterns that take long now rather than for the first phone that needs them."""
        for compiled in self.links:
            operator = compiled.link.operator
            if compiled.test is not None and operator is not None and takes_long_to_compile(operator):
                compiled.test(b"", _NOBODY)

    def is_selected(self, selector: Selector) -> bool:
        """Whether `selector` means this rule; remembered, because selectors come from rule files and
        repeat."""
        known = self.selected.get(selector)
        if known is None:
            known = self.selected[selector] = selects(selector, self.rule)
        return known

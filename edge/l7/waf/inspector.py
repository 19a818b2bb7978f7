"""May this request pass?

The keeper that the worker holds.  It gives each request to the rules, turns what they found into a verdict,
and remembers verdicts by the exact bytes of the head, because phones ask the same things again and again.

State: one memo, bounded in bytes, oldest use forgotten first.  A new rule set is a new `Inspector`:
nothing of the old one's memory can be wrong then."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from edge.l7.waf.compiled import excludes
from edge.l7.waf.engine import Run
from edge.l7.waf.form import Exclusion, Link
from edge.l7.waf.matcher import TooDear, Watch
from edge.l7.waf.native import DETECTION_SCORE, SCORE
from edge.l7.waf.normal_forms import normalize_path
from edge.l7.waf.operators import number
from edge.l7.waf.patience import Patience
from edge.l7.waf.program import FastProgram, NaiveProgram
from edge.l7.waf.remembered import BYTES_OBJECT_BYTES, TUPLE_BYTES, Remembered, headers_bytes
from edge.l7.waf.request import PASS, Action, Headers, Match, WafRequest, WafResponse, WafVerdict
from edge.l7.waf.ruleset import RuleSet
from edge.l7.waf.variables import Transaction

# 1,300 heads of browsers that have no line in common, several times as many that have.  The worker has a
# memory of whole heads before this one; more would only remember phones that do not come back.
MEMO_BYTES_MAX = 4 << 20
# So many heads (as hashes, 40 bytes each) may pass before one has to come again to be remembered.
ONCE_MAX = 8192
# A rule that matched, with its texts.
MATCH_BYTES = 2048

# Target, headers, method, protocol, and the phone's address where a rule asks for it.
_Key = tuple[bytes, Headers, str, str, str]

# The sums of the Core Rule Set: of version 4, of version 3, and of what is only seen.
_SCORES = (b"blocking_inbound_anomaly_score", b"anomaly_score", b"detection_inbound_anomaly_score")
_ANSWER_SCORES = (
    b"blocking_outbound_anomaly_score",
    b"outbound_anomaly_score",
    b"detection_outbound_anomaly_score",
)

BODY_UNREADABLE = 100_001
BODY_TOO_LARGE = 100_002
OVER_BUDGET = 100_003


@dataclass(slots=True)
class Tally:
    """How many inspections ended where, for the metrics.

    `remembered`: the verdict was known; `on_loop`: found by the loop itself; `given_up`: the loop tried in
    vain; `apart`: found by the other thread, in `apart_s` seconds altogether."""

    remembered: int = 0
    on_loop: int = 0
    given_up: int = 0
    apart: int = 0
    apart_s: float = 0.0


class Inspector:
    """Gives verdicts on requests, one at a time.

    `clock` measures how long one inspection takes (any monotonic seconds); without it the budget is not
    watched.  `cpu` (seconds of this thread) is asked only once the clock says that the budget is used up: on
    a busy machine others may have used it, and then only what the thread itself has used counts.  `naive`
    walks every rule and remembers nothing: the oracle of the tests."""

    def __init__(
        self,
        ruleset: RuleSet,
        *,
        clock: Callable[[], float] | None = None,
        cpu: Callable[[], float] | None = None,
        naive: bool = False,
    ) -> None:
        self.ruleset = ruleset
        self.counts: Counter[int] = Counter()  # matches per rule, for the metrics
        self.tally = Tally()
        self._clock = clock
        self._cpu = cpu
        self._patience = Patience(clock()) if clock is not None else None
        self._hurried_watch: Watch | None = None
        self._once: set[int] = set()  # hashes of heads that came lately
        self._settings = ruleset.settings
        self._program: FastProgram | NaiveProgram = NaiveProgram(ruleset) if naive else FastProgram(ruleset)
        self._exclusions = [(one, [excludes(target) for target in one.targets]) for one in ruleset.exclusions]
        # When the next exclusion ends; 0: none does.
        self.next_expiry_unix = min(
            (e.expires_unix_s for e in ruleset.exclusions if e.expires_unix_s), default=0.0
        )
        self._memo = None if naive else Remembered(MEMO_BYTES_MAX, _memo_bytes)
        # Does a rule ask for the address?  Else the same request of another phone gets the same verdict.
        self.asks_who = any(_asks_who(link) for rule in ruleset.rules for link in rule.links)

    @property
    def memo_entries(self) -> int:
        """How many heads are remembered."""
        return len(self._memo) if self._memo is not None else 0

    @property
    def memo_bytes(self) -> int:
        """What they take."""
        return self._memo.bytes if self._memo is not None else 0

    def prepare(self) -> None:
        """Build all matchers now rather than for the first phones that need them."""
        if isinstance(self._program, FastProgram):
            self._program.prepare()

    def inspect_head(self, head: WafRequest, now: float, *, hurried: bool = False) -> WafVerdict:
        """The verdict on a request without a body.  `now` is Unix time: exclusions expire by it.

        `hurried`: raise `TooDear` rather than take longer than `patience` allows, as hostile text would.
        Then ask `inspect_apart` in another thread.
        """
        memo = self._memo
        if memo is None:
            return self._inspect(head, None, now, hurried=hurried)
        if self.next_expiry_unix and now >= self.next_expiry_unix:
            self._forget(now)
        key = (
            head.target,
            head.headers,
            head.method,
            head.protocol,
            head.client if self.asks_who else "",
        )
        known = memo.get(key)
        if known is not None:
            self.tally.remembered += 1
            memo.move_to_end(key)
            return known
        verdict = self._inspect(head, None, now, hurried=hurried)
        if not verdict.over_budget and self._came_before(hash(key)):
            memo.remember(key, verdict)
        return verdict

    def _came_before(self, hashed: int) -> bool:
        # What comes once only is not worth a place: to keep it, and to let another one go for it, took 5 of
        # the 33 us of an inspection.
        if hashed in self._once:
            return True
        if len(self._once) >= ONCE_MAX:
            self._once.clear()
        self._once.add(hashed)
        return False

    def inspect_body(self, head: WafRequest, body: bytes, now: float, *, hurried: bool = False) -> WafVerdict:
        """The verdict on a whole request.  A body over the limit is refused, not read in part.  `hurried`:
        see `inspect_head`."""
        if len(body) > self._settings.body_bytes_max:
            return self._too_large()
        return self._inspect(head, body, now, hurried=hurried)

    def inspect_apart(self, head: WafRequest, body: bytes | None, now: float) -> WafVerdict:
        """As `inspect_head` or `inspect_body`, for what these gave up in a hurry.

        One thread beside the loop's may ask.  It goes the way for hostile text from the start, and leaves the
        memo and the sets to the loop: whoever searches with a set that another thread is searching with
        waits for it wherever a new state is made."""
        if body is not None and len(body) > self._settings.body_bytes_max:
            return self._too_large()
        began = self._clock() if self._clock is not None else 0.0
        run = self._begin(head, body, now)
        run.hostile = True
        verdict = self._walk(run)
        self.tally.apart += 1
        if self._clock is not None:
            self.tally.apart_s += self._clock() - began
        return verdict

    def inspect_answer(self, head: WafRequest, answer: WafResponse, now: float) -> WafVerdict:
        """The verdict on an answer (phases 3 and 4), for rule sets that look for leaks.

        It takes 0.3 ms a kB under the Core Rule Set; any thread may ask."""
        run = self._begin(head, None, now)
        run.hostile = True
        run.budget_s += self._settings.budget_s_per_byte * len(answer.body)
        run.transaction.answer = answer
        for phase in (3, 4):
            if not run.over:
                self._program.phase(phase, run)
        return self._verdict(run, len(answer.body))

    # -- one inspection ---------------------------------------------------------

    def _inspect(self, head: WafRequest, body: bytes | None, now: float, *, hurried: bool) -> WafVerdict:
        if not hurried or self._clock is None or self._patience is None:
            self.tally.on_loop += 1
            return self._walk(self._begin(head, body, now))
        began = self._clock()
        limit_s = self._patience.limit_s(head, body, began)
        if not limit_s:
            raise TooDear
        try:
            verdict = self._walk(self._begin(head, body, now, self._watch_of_the_loop(began, limit_s)))
        except TooDear:
            self._patience.lost(began, self._clock())
            self.tally.given_up += 1
            raise
        self.tally.on_loop += 1
        return verdict

    def _walk(self, run: Run) -> WafVerdict:
        transaction, program = run.transaction, self._program
        head, body = transaction.request, transaction.body
        program.phase(1, run)
        if not run.over:
            unreadable = transaction.read().error if body is not None else ""
            run.mind_the_hurry()
            if unreadable:
                run.found.append(
                    _own(BODY_UNREADABLE, f"The body cannot be read safely: {unreadable}", "REQUEST_BODY")
                )
            program.phase(2, run)
        return self._verdict(run, len(head.target) + len(body or b""))

    def _begin(self, head: WafRequest, body: bytes | None, now: float, hurried: Watch | None = None) -> Run:
        run = Run(Transaction(head, body), self._settings.blocks)
        run.hurried = hurried is not None
        if self._clock is not None:
            settings, size = self._settings, len(head.target) + len(body or b"")
            run.watch = hurried or Watch(self._clock, self._cpu)
            run.budget_s = settings.budget_s + settings.budget_s_per_byte * size
        for exclusion, targets in self._exclusions:
            if applies(exclusion, run.transaction, now):
                if not targets:
                    run.removed.append(exclusion.selector)
                run.removed_targets.extend((exclusion.selector, away) for away in targets)
        self._program.begin(run)
        return run

    def _watch_of_the_loop(self, began: float, limit_s: float) -> Watch:
        # Who is in a hurry is the loop's thread, with one inspection at a time.
        if self._hurried_watch is None:
            assert self._clock is not None
            self._hurried_watch = Watch(self._clock, self._cpu)
        self._hurried_watch.begin(began, limit_s)
        return self._hurried_watch

    def _verdict(self, run: Run, size: int) -> WafVerdict:
        if run.over_budget:
            run.found.append(_own(OVER_BUDGET, "The inspection took longer than its budget", "REQUEST"))
        if not run.found and run.blocked_by is None and not run.excluded:
            return PASS
        variables = run.transaction.tx
        of_answer = run.transaction.answer is not None
        total, total_of_crs3, total_seen = _ANSWER_SCORES if of_answer else _SCORES
        crs = number(variables.get(total) or variables.get(total_of_crs3) or b"0")
        own = number(variables.get(SCORE, b"0"))
        score = own + crs
        seen = number(variables.get(DETECTION_SCORE, b"0")) + number(variables.get(total_seen, b"0"))
        threshold = self._settings.outbound_threshold if of_answer else self._settings.threshold
        matches = tuple(match for match in run.found if not match.bookkeeping)
        for match in run.found:
            self.counts[match.id] += 1
        refused = any(match.id == BODY_UNREADABLE for match in matches)
        blocked = run.blocked_by is not None or (run.over_budget and self._settings.on_budget_block)
        status = run.blocked_by.status if run.blocked_by is not None else 400 if refused else 403
        if not matches and not blocked and not run.excluded:
            return PASS
        return WafVerdict(
            action=self._action() if (blocked or refused) and not run.allowed else "pass",
            status=status,
            score=score,
            detection_score=max(seen, score),
            threshold=threshold,
            matches=matches,
            bookkeeping=tuple(match for match in run.found if match.bookkeeping),
            excluded=tuple(dict.fromkeys(run.excluded)),
            inspected_bytes=size,
            over_budget=run.over_budget,
            part="answer" if of_answer else "request",
            families=_families(matches),
            sum_max=max(own, crs),
            by_score=run.blocked_by is not None
            and "anomaly-evaluation" in run.blocked_by.tags
            and not refused,
        )

    def _too_large(self) -> WafVerdict:
        limit = self._settings.body_bytes_max
        match = _own(
            BODY_TOO_LARGE, f"The body is larger than the {limit} bytes that are inspected", "REQUEST_BODY"
        )
        return WafVerdict(
            self._action(), 413, threshold=self._settings.threshold, matches=(match,), inspected_bytes=0
        )

    def _action(self) -> Action:
        return "block" if self._settings.blocks else "detect"

    def _forget(self, now: float) -> None:
        assert self._memo is not None
        self._memo.forget()
        later = [e.expires_unix_s for e in self.ruleset.exclusions if e.expires_unix_s > now]
        self.next_expiry_unix = min(later, default=0.0)


def _memo_bytes(key: _Key, verdict: WafVerdict) -> int:
    found = len(verdict.matches) + len(verdict.bookkeeping)
    return (
        TUPLE_BYTES
        + BYTES_OBJECT_BYTES
        + len(key[0])
        + headers_bytes(key[1])
        + len(key[4])
        + found * MATCH_BYTES
    )


def applies(exclusion: Exclusion, transaction: Transaction, now: float) -> bool:
    """Whether an exclusion holds for this request at this time.

    The path compared is REQUEST_FILENAME, decoded and without its dot segments: `/editor/../login` is a
    request for `/login`, which is where the edge sends it.
    """
    if exclusion.expires_unix_s and now >= exclusion.expires_unix_s:
        return False
    if exclusion.methods and transaction.request.method not in exclusion.methods:
        return False
    path = normalize_path(transaction.filename())
    if exclusion.path and path != normalize_path(exclusion.path.encode()):
        return False
    if exclusion.path_prefix and not path.startswith(normalize_path(exclusion.path_prefix.encode())):
        return False
    if exclusion.host:
        hosts = transaction.header(b"host")
        return bool(hosts) and hosts[0].partition(b":")[0].lower() == exclusion.host.encode()
    return True


def _asks_who(link: Link) -> bool:
    macros = [part for setvar in link.setvars for part in (setvar.name, setvar.value)]
    if link.operator is not None:
        macros.append(link.operator.argument)
    return any(target.collection == "REMOTE_ADDR" for target in link.targets) or any(
        collection == "REMOTE_ADDR" for macro in macros for _, collection, _ in macro.holes
    )


def _families(matches: tuple[Match, ...]) -> tuple[tuple[str, int], ...]:
    sums: Counter[str] = Counter()
    for match in matches:
        for tag in match.tags:
            if tag.startswith("attack-"):
                sums[tag[7:]] += match.points
                break
    return tuple(sorted(sums.items()))


def _own(rule_id: int, message: str, variable: str) -> Match:
    return Match(
        id=rule_id,
        message=message,
        severity="CRITICAL",
        points=0,
        phase=2,
        paranoia=1,
        variable=variable,
        value=b"",
        offset=-1,
        transforms=(),
        tags=("attack-protocol",),
        place="edge/l7/waf/inspector.py",
    )

"""The keeper: memory, bodies, modes and the budget."""

import pytest

from edge.l7.waf.bodies import Body
from edge.l7.waf.form import Selector
from edge.l7.waf.inspector import (
    BODY_UNREADABLE,
    MATCH_BYTES,
    MEMO_BYTES_MAX,
    ONCE_MAX,
    OVER_BUDGET,
    Inspector,
)
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.matcher import Matcher, TooDear, Watch
from edge.l7.waf.request import PASS, WafRequest, WafResponse
from edge.l7.waf.ruleset import Settings, selects
from edge.l7.waf.variables import Transaction
from edge.l7.waf.warm_up import warm_up_requests
from tests.l7.waf.samples import (
    embedded,
    embedded_inspector,
    get,
    native,
    post,
    seclang,
)

EVIL = '[[rule]]\nid = 7\nscore = 5\ntargets = ["args"]\nmatch = {contains = "evil"}\nmsg = "m"\n'


def test_a_head_that_came_twice_is_judged_no_more() -> None:
    """Ten thousand requests a second are mostly the same few; what comes once takes no place."""
    inspector = Inspector(native(EVIL))

    first = inspector.inspect_head(get(b"/?q=evil"), 0.0)
    bytes_after_one = inspector.memo_bytes
    second, third = (inspector.inspect_head(get(b"/?q=evil"), now) for now in (1.0, 2.0))

    assert bytes_after_one == 0
    assert first == second
    assert third is second
    assert (inspector.tally.remembered, inspector.tally.on_loop) == (1, 2)


def test_heads_that_come_once_are_bounded_too() -> None:
    """Somebody sends a new one each time."""
    inspector = Inspector(native(EVIL))

    for number in range(ONCE_MAX + 100):
        inspector.inspect_head(get(b"/?n=%d" % number), 0.0)

    assert len(inspector._once) <= ONCE_MAX


def test_the_memory_is_bounded() -> None:
    """A million distinct requests must not make the worker grow."""
    inspector = Inspector(native(EVIL))

    for number in range(MEMO_BYTES_MAX // 500):
        for _ in range(2):
            inspector.inspect_head(get(b"/?n=%d" % number), 0.0)

    assert MEMO_BYTES_MAX // 2 < inspector.memo_bytes <= MEMO_BYTES_MAX


def test_attacks_take_no_more_memory_than_other_requests() -> None:
    """A scanner asks for a thousand things, and what the rules say about each takes kilobytes."""
    inspector = Inspector(native(EVIL))
    for _ in range(2):
        inspector.inspect_head(get(b"/"), 0.0)
    of_peace = inspector.memo_bytes

    for _ in range(2):
        inspector.inspect_head(get(b"/?q=evil"), 0.0)

    assert inspector.memo_bytes - of_peace > of_peace + MATCH_BYTES


def test_detect_mode_says_what_it_would_have_done() -> None:
    """The first weeks of every firewall."""
    verdict = Inspector(native(EVIL, Settings(blocks=False))).inspect_head(get(b"/?q=evil"), 0.0)

    assert (verdict.action, verdict.status, verdict.score) == ("detect", 403, 5)
    assert "rule 7" in verdict.reason


def test_a_body_that_cannot_be_read_is_refused_with_400() -> None:
    """Fail closed: what we cannot read, somebody else may."""
    body = b'{"a": 1, "a": 2}'

    verdict = embedded_inspector().inspect_body(post(body, b"application/json"), body, 0.0)

    assert (verdict.action, verdict.status) == ("block", 400)
    assert BODY_UNREADABLE in [match.id for match in verdict.matches]


def test_two_content_types_are_refused() -> None:
    """We would read the body as the first says, the application perhaps as the second."""
    body = b'{"a": 1}'
    head = post(body, b"application/json")
    twice = WafRequest(
        head.client,
        head.method,
        head.target,
        head.protocol,
        (*head.headers, (b"content-type", b"text/plain")),
    )

    assert embedded_inspector().inspect_body(twice, body, 0.0).status == 400


def test_a_body_over_the_limit_is_refused_with_413() -> None:
    """Half an inspection is a bypass."""
    inspector = Inspector(native(EVIL, Settings(body_bytes_max=10)))

    assert inspector.inspect_body(post(b"a=1"), b"a=1", 0.0).action == "pass"
    verdict = inspector.inspect_body(post(b"a=" + b"1" * 10), b"a=" + b"1" * 10, 0.0)
    assert (verdict.action, verdict.status) == ("block", 413)


def test_an_inspection_that_takes_too_long_is_refused_and_not_remembered() -> None:
    """A request built to be slow does not get through by being slow."""
    ticks = iter(range(1000))
    inspector = Inspector(
        seclang('SecRule REQUEST_URI "!@rx ^x" "id:1,phase:1,pass"'), clock=lambda: float(next(ticks))
    )

    verdict = inspector.inspect_head(get(b"/"), 0.0)

    assert (verdict.action, verdict.over_budget) == ("block", True)
    assert [match.id for match in verdict.matches] == [OVER_BUDGET]
    assert inspector.memo_entries == 0


def test_a_longer_body_may_cost_more() -> None:
    """Else 64 kB of an ordinary upload would be refused under a large rule set."""
    rules = seclang('SecRule REQUEST_BODY "!@rx ^x" "id:1,phase:2,pass"', Settings(budget_s_per_byte=0.001))
    short, long = b"a=1", b"a=" + b"1" * 9000

    late, in_time = (Inspector(rules, clock=Ticks(1.0)).inspect_body(post(b), b, 0.0) for b in (short, long))

    assert late.over_budget
    assert not in_time.over_budget


def test_one_long_rule_is_given_up_in_its_middle() -> None:
    """To read 170 values as SQL took 17 ms, and nobody looked at the clock."""
    rules = seclang('SecRule ARGS "@detectSQLi" "id:1,phase:2,pass"')
    body = b"&".join(b"a%d='or %d" % (number, number) for number in range(400))

    verdict = Inspector(rules, clock=Ticks(0.002)).inspect_body(post(body), body, 0.0)

    assert verdict.over_budget


def test_time_that_others_used_does_not_count() -> None:
    """On a busy machine an honest request must not be refused because the scheduler was elsewhere."""
    ticks = iter(range(1000))
    inspector = Inspector(
        seclang('SecRule REQUEST_URI "!@rx ^x" "id:1,phase:1,pass"'),
        clock=lambda: float(next(ticks)),
        cpu=lambda: 0.0,
    )

    assert not inspector.inspect_head(get(b"/"), 0.0).over_budget


def test_the_budget_is_given_once() -> None:
    """By whichever clock: an attacker must not get it a second time because the first was used up."""
    ticks, used = iter(range(1000)), iter(range(1000))
    inspector = Inspector(
        seclang('SecRule REQUEST_URI "!@rx ^x" "id:1,phase:1,pass"'),
        clock=lambda: float(next(ticks)),
        cpu=lambda: float(next(used)),
    )

    assert inspector.inspect_head(get(b"/"), 0.0).over_budget


def test_answers_are_inspected_where_rules_ask_for_it() -> None:
    """Leaks are phases 3 and 4."""
    inspector = Inspector(seclang('SecRule RESPONSE_BODY "@contains SQL syntax" "id:1,phase:4,deny"'))
    leak = WafResponse(200, "HTTP/1.1", (), b"You have an error in your SQL syntax")

    assert inspector.inspect_answer(get(b"/"), leak, 0.0).action == "block"
    assert inspector.inspect_answer(get(b"/"), WafResponse(200, "HTTP/1.1", (), b"fine"), 0.0) is PASS


def test_points_about_an_answer_have_a_sum_and_a_threshold_of_their_own() -> None:
    """What a phone sent before does not count against what the service says, nor the other way round."""
    rules = (
        '[[rule]]\nid = 7\nscore = 3\nphase = "answer"\ntargets = ["answer_body"]\n'
        'match = {contains = "SQL"}\nmsg = "m"\n'
        '[[rule]]\nid = 8\nscore = 1\nphase = "answer"\ntargets = ["answer_body"]\n'
        'match = {contains = "syntax"}\nmsg = "m"\n'
    )
    inspector = Inspector(native(rules))
    one = inspector.inspect_answer(get(b"/"), WafResponse(200, "HTTP/1.1", (), b"SQL"), 0.0)
    both = inspector.inspect_answer(get(b"/"), WafResponse(200, "HTTP/1.1", (), b"SQL syntax"), 0.0)

    assert (one.action, one.score, one.threshold, one.part) == ("pass", 3, 4, "answer")
    assert (both.action, both.score, both.by_score) == ("block", 4, True)


def test_matches_are_counted_per_rule() -> None:
    """The metrics read them."""
    inspector = Inspector(native(EVIL))

    inspector.inspect_head(get(b"/?q=evil"), 0.0)

    assert inspector.counts[7] == 1


def test_what_warms_the_matchers_up_is_ordinary() -> None:
    """A warm-up that is blocked would be a bad sign for the rules."""
    for head, body in warm_up_requests():
        inspector = embedded_inspector()
        verdict = (
            inspector.inspect_head(head, 0.0) if body is None else inspector.inspect_body(head, body, 0.0)
        )
        assert verdict.action == "pass", verdict.reason


def test_a_selector_means_ids_and_tags() -> None:
    """Exclusions name rules in both ways."""
    rule = next(rule for rule in embedded().rules if rule.id == 101000)

    assert selects(Selector(ranges=((101000, 101999),)), rule)
    assert selects(Selector(tag=b"attack-sqli"), rule)
    assert not selects(Selector(ranges=((1, 2),), tag=b"attack-xss"), rule)


class Ticks:
    """Time goes by whenever somebody looks."""

    def __init__(self, per_look_s: float) -> None:
        self.now, self.per_look_s = 0.0, per_look_s

    def __call__(self) -> float:
        self.now += self.per_look_s
        return self.now


def test_in_a_hurry_what_is_dear_is_given_up_and_not_remembered() -> None:
    """The loop must not wait; another thread takes the time, and comes to the verdict of a slow machine."""
    inspector = Inspector(native(EVIL), clock=Ticks(0.002))
    head = get(b"/?q=evil")

    with pytest.raises(TooDear):
        inspector.inspect_head(head, 0.0, hurried=True)

    assert inspector.memo_entries == 0
    assert inspector.inspect_apart(head, None, 0.0).matches[0].id == 7
    assert (inspector.tally.given_up, inspector.tally.apart) == (1, 1)
    assert inspector.tally.apart_s > 0.0


def test_another_thread_leaves_the_sets_to_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that search with one set wait for each other wherever a new state is made: it held the loop up."""
    inspector = embedded_inspector()
    body = b"q=1%27+or+1%3D1--"
    expected = inspector.inspect_body(post(body), body, 0.0)
    inspector = Inspector(embedded())

    def searched(self: Matcher, text: bytes, watch: Watch | None = None) -> list[int]:
        raise AssertionError(f"a set was asked about {text!r}")

    monkeypatch.setattr(Matcher, "match", searched)

    verdict = inspector.inspect_apart(post(body), body, 0.0)

    assert verdict.action == "block"
    assert [match.id for match in verdict.matches] == [match.id for match in expected.matches]


def test_a_burst_of_dear_bodies_is_tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty of them arrive at once, and each trial is time that everybody waits: the second goes to the other
    thread unread."""
    clock = Ticks(0.0)
    inspector = Inspector(native(EVIL), clock=clock)
    read: list[Transaction] = []

    def slow_read(transaction: Transaction) -> Body:
        read.append(transaction)
        clock.now += 0.005
        return Body()

    monkeypatch.setattr(Transaction, "read", slow_read)

    for number in range(50):
        with pytest.raises(TooDear):
            inspector.inspect_body(get(b"/"), b"a=evil%d&b=%2000d" % (number, number), 0.0, hurried=True)

    assert len(read) == 1


def test_rules_are_not_walked_to_the_end_in_a_hurry() -> None:
    """Text that is quickly searched may be slow to evaluate rules on."""
    rules = "".join(
        f'SecRule ARGS "@rx evi.*{number}?" "id:{number},phase:2,pass,log"\n' for number in range(1, 99)
    )
    clock = Ticks(0.0)
    inspector = Inspector(seclang(rules), clock=clock)
    inspector.inspect_head(get(b"/?q=evil"), 0.0)
    clock.per_look_s = 0.00003

    with pytest.raises(TooDear):
        inspector.inspect_head(get(b"/?q=evil1"), 0.0, hurried=True)


@pytest.mark.parametrize("slow", [False, True])
def test_both_ways_of_searching_come_to_one_verdict(slow: bool) -> None:
    """Whether text is taken for hostile depends on the clock; what is found in it must not."""
    inspector = Inspector(load_ruleset(settings=Settings(budget_s=1e9)), clock=Ticks(0.002 if slow else 0.0))
    body = b"text=%27+or+1%3D1--&more=<script>alert(1)</script>&page=2"

    verdict = inspector.inspect_body(post(body), body, 0.0)

    expected = embedded_inspector().inspect_body(post(body), body, 0.0)
    assert [match.id for match in verdict.matches] == [match.id for match in expected.matches]


@pytest.mark.parametrize(
    ("target", "applies"),
    [
        (b"/editor?q=evil", True),
        (b"/editor/a/../b?q=evil", True),
        (b"//editor/./b?q=evil", True),
        (b"/editor/../login?q=evil", False),
        (b"/editor/%2e%2e/login?q=evil", False),
        (b"/x/../editor?q=evil", True),
    ],
)
def test_an_exclusion_holds_for_the_path_that_the_service_gets(target: bytes, applies: bool) -> None:
    """The edge takes dot segments out before it sends a request on: `/editor/../login` is a login."""
    text = '[[exclude]]\nrules = ["7"]\nwhen = {path_prefix = "/editor"}\nreason = "r"\n'

    verdict = Inspector(native(EVIL + text)).inspect_head(get(target), 0.0)

    assert verdict.action == ("pass" if applies else "block")


@pytest.mark.parametrize("naive", [False, True])
def test_a_rule_that_names_the_address_in_its_operator_asks_who(naive: bool) -> None:
    """The same head of another phone is another question."""
    rule = 'SecRule REQUEST_HEADERS:x-me "!@streq %{REMOTE_ADDR}" "id:1,phase:1,deny,msg:\'m\'"\n'
    inspector = Inspector(seclang(rule), naive=naive)
    assert inspector.asks_who
    headers = ((b"host", b"a"), (b"x-me", b"192.0.2.1"))

    actions = [
        inspector.inspect_head(WafRequest(client, "GET", b"/%d" % n, "HTTP/1.1", headers), 0.0).action
        for n in range(3)
        for client in ("192.0.2.1", "192.0.2.2", "192.0.2.2")
    ]

    assert actions == ["pass", "block", "block"] * 3

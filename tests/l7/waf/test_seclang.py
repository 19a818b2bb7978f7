"""The SecLang front end."""

import pytest

from edge.l7.waf.actions import ActionError, parse_actions
from edge.l7.waf.form import Link, Macro, Marker, Operator, Target
from edge.l7.waf.macro import parse_macro
from edge.l7.waf.problem import RuleError
from tests.l7.waf.samples import seclang


def test_a_rule_over_several_lines_is_one_rule() -> None:
    """Every CRS rule is written like this."""
    rules = seclang(
        'SecRule ARGS|!ARGS:ok "@rx a\\"b" \\\n  "id:1,\\\n'
        "  phase:2,deny,t:none,t:lowercase,msg:'one, two'\"\n"
    ).rules

    assert [rule.id for rule in rules] == [1]
    link = rules[0].links[0]
    assert link.targets == (Target("ARGS"), Target("ARGS", key=b"ok", exclude=True))
    assert link.operator == Operator("rx", Macro((), b'a"b'))
    assert link.transforms == ("lowercase",)
    assert str(rules[0].message) == "one, two"


def test_block_means_what_the_default_action_says() -> None:
    """CRS rules say `block`; whether that denies or only scores is the operator's choice."""
    text = 'SecDefaultAction "phase:2,log,deny,status:406"\nSecRule ARGS "@rx x" "id:1,phase:2,block"'

    rule = seclang(text).rules[0]

    assert (rule.action, rule.status) == ("deny", 406)


def test_a_chain_is_one_rule_with_several_links() -> None:
    """All links have to match."""
    rules = seclang('SecRule ARGS "@rx a" "id:1,chain"\nSecRule ARGS "@rx b" ""\nSecMarker END').statements

    assert isinstance(rules[1], Marker)
    assert [len(rule.links) for rule in rules if not isinstance(rule, Marker)] == [2]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("SecFrobnicate On", "test.conf:1: unknown directive SecFrobnicate"),
        ('\nSecRule ARGS "@rx a" "phase:2"', "test.conf:2: the rule has no id"),
        ('SecRule NOWHERE "@rx a" "id:1"', "test.conf:1: unknown variable NOWHERE"),
        ('SecRule ARGS "@frob a" "id:1"', "test.conf:1: unknown operator @frob"),
        ('SecRule ARGS "@rx a" "id:1,t:frob"', "test.conf:1: unknown transformation t:frob"),
        ('SecRule ARGS "@rx a" "id:1,frob"', "test.conf:1: unknown action frob"),
        ('SecRule ARGS "@rx a', "test.conf:1: a double quote is not closed"),
        ('SecRule ARGS "@rx a" "id:1,chain"', "test.conf:1: the chain has no next SecRule"),
        ('SecRule ARGS "@pmFromFile no" "id:1"', "test.conf:1: cannot read no: No such file or directory"),
        (
            'SecRule REMOTE_ADDR "@ipMatch 1.2.3" "id:1"',
            "test.conf:1: the argument of @ipmatch is none: "
            "'1.2.3' does not appear to be an IPv4 or IPv6 network",
        ),
        (
            'SecRule ARGS "@rx a" "id:1"\nSecRule ARGS "@rx a" "id:1"',
            "test.conf:2: rule id 1 is used already at test.conf:1",
        ),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(text: str, problem: str) -> None:
    """A firewall that ignores what it does not understand protects nobody."""
    with pytest.raises(RuleError) as caught:
        seclang(text)

    assert problem in caught.value.problems


def test_what_the_edge_refuses_is_left_out_with_a_note() -> None:
    """Persistent collections, look-around and programs: never silently."""
    text = (
        'SecRule IP:counter "@gt 1" "id:1"\nSecRule ARGS "@rx (?<!a)b" "id:2"\n'
        'SecRule ARGS "@rx c" "id:3,setvar:ip.seen=1"\nSecRuleEngine On'
    )

    ruleset = seclang(text)

    assert [rule.id for rule in ruleset.rules] == [3]
    assert len(ruleset.notes) == 4


def test_removals_and_updates_change_the_rules_before_them() -> None:
    """This is how every CRS exclusion file works."""
    text = (
        'SecRule ARGS "@rx a" "id:1,tag:\'x/y\'"\nSecRule ARGS "@rx b" "id:2"\nSecRule ARGS "@rx c" "id:3"\n'
        'SecRuleRemoveById 2\nSecRuleUpdateTargetByTag x/ "!ARGS:q"\n'
        'SecRuleUpdateActionById 3 "deny,status:404"'
    )

    rules = seclang(text).rules

    assert [rule.id for rule in rules] == [1, 3]
    assert rules[0].links[0].targets[-1] == Target("ARGS", key=b"q", exclude=True)
    assert (rules[1].action, rules[1].status) == ("deny", 404)


def test_macros_keep_what_is_no_hole() -> None:
    """A lone percent sign in a message is no error."""
    macro = parse_macro(b"100% of %{tx.Score}!")

    assert macro == Macro(((b"100% of ", "TX", b"score"),), b"!")
    assert str(macro) == "100% of %{TX.score}!"


def test_actions_are_split_outside_quotes_only() -> None:
    """Messages hold commas and colons."""
    actions = parse_actions(b"id:7,msg:'a, b: c',setvar:tx.n=+%{tx.m},ctl:ruleRemoveById=9")

    assert str(actions.message) == "a, b: c"
    assert actions.setvars[0].how == "+"
    with pytest.raises(ActionError):
        parse_actions(b"phase:9")


def test_phrase_files_are_read_when_the_rule_is() -> None:
    """A missing word list has to stop the load, not the request."""
    link: Link = (
        seclang('SecRule ARGS "@pmFromFile w" "id:1"', files={"w": b"# no\nfoo\n\nbar\n"}).rules[0].links[0]
    )

    assert link.operator is not None
    assert link.operator.phrases == (b"foo", b"bar")

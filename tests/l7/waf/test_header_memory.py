"""Headers repeat, and are looked at once."""

from edge.l7.waf.fold import fold
from edge.l7.waf.header_memory import BLOCKS_BYTES_MAX, LINES_BYTES_MAX, HeaderMemory
from edge.l7.waf.plan import Plan
from edge.l7.waf.program import steps_by_phase
from tests.l7.waf.samples import get, seclang

RULES = (
    'SecRule REQUEST_HEADERS "@rx evil" "id:1,phase:1,pass,log"\n'
    'SecRule REQUEST_HEADERS:Accept "@streq none" "id:2,phase:2,pass,log"\n'
    'SecRule &REQUEST_HEADERS:Host "@eq 0" "id:3,phase:1,pass,log"\n'
)


def memory() -> HeaderMemory:
    return HeaderMemory(Plan(fold(steps_by_phase(seclang(RULES)), {})))


def test_a_block_names_the_rules_that_may_match_in_it() -> None:
    """And those alone whose target the line is."""
    known = memory()

    evil = known.block(get(b"/", ((b"host", b"h"), (b"x", b"so evil"), (b"cookie", b"a=1"))))
    fine = known.block(get(b"/", ((b"host", b"h"), (b"x", b"none"), (b"cookie", b"a=2"))))

    assert evil.spots == {(1, 0)}
    assert not fine.spots


def test_a_phase_is_quiet_when_no_rule_about_headers_has_anything_to_say() -> None:
    """The Host line is missing, which only a rule that counts lines can see."""
    known = memory()

    assert 1 in known.block(get(b"/", ((b"host", b"h"),))).quiet
    assert 1 not in known.block(get(b"/", ((b"accept", b"a"),))).quiet


def test_another_cookie_is_the_same_block() -> None:
    """It is new with each phone, and goes with the values that are searched each time."""
    known = memory()

    one, other = (known.block(get(b"/", ((b"host", b"h"), (b"cookie", value)))) for value in (b"a=1", b"b=2"))

    assert one is other


def test_both_memories_are_bounded() -> None:
    """Phones choose their headers freely."""
    known = memory()
    for number in range(BLOCKS_BYTES_MAX // 500):
        known.block(get(b"/", ((b"x", b"%d" % number),)))
    full = len(known._lines), len(known._blocks)
    known.block(get(b"/", ((b"x", b"y" * (BLOCKS_BYTES_MAX // 64)),)), hostile=True)

    assert known._lines.bytes <= LINES_BYTES_MAX
    assert known._blocks.bytes <= BLOCKS_BYTES_MAX
    assert full == (len(known._lines), len(known._blocks))

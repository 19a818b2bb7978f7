"""Headers repeat, and are looked at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf import header_memory
from edge.l7.waf.fold import fold
from edge.l7.waf.header_memory import BLOCKS_BYTES_MAX, LINES_BYTES_MAX, NAMES_BYTES_MAX, HeaderMemory
from edge.l7.waf.plan import Plan
from edge.l7.waf.prefilter import Screen
from edge.l7.waf.program import steps_by_phase
from tests.kit.effort import examples
from tests.l7.waf.samples import get, seclang

RULES = (
    'SecRule REQUEST_HEADERS "@rx evil" "id:1,phase:1,pass,log"\n'
    'SecRule REQUEST_HEADERS:Accept "@streq none" "id:2,phase:2,pass,log"\n'
    'SecRule &REQUEST_HEADERS:Host "@eq 0" "id:3,phase:1,pass,log"\n'
)


# As the Core Rule Set's 920450: one variable a name, and a look at each of them.
FORBIDDEN = (
    'SecRule REQUEST_HEADERS_NAMES "@rx ^.*$" "id:4,phase:1,pass,log,capture,'
    "setvar:'tx.name_%{tx.0}=/%{tx.0}/',chain\"\n"
    '  SecRule TX:/^name_/ "@within /proxy/" ""\n'
)
NAME = st.sampled_from((b"x", b"accept", b"x-evil", b"host"))
VALUE = st.sampled_from((b"", b"none", b"so evil", b"(evil)", b"ok", b"'quoted'", b"\x1e\n", b"x"))


def memory(rules: str = RULES) -> HeaderMemory:
    return HeaderMemory(Plan(fold(steps_by_phase(seclang(rules)), {})))


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


@settings(max_examples=examples(200), deadline=None)
@given(st.lists(st.tuples(NAME, VALUE), max_size=12), st.booleans())
def test_a_block_of_new_lines_is_what_its_lines_are(lines: list[tuple[bytes, bytes]], hostile: bool) -> None:
    """They are searched together, and whatever is found belongs to those lines alone that hold it."""
    together, alone = memory(), memory()

    block = together.block(get(b"/", tuple(lines)), hostile=hostile)

    each = [alone.block(get(b"/", (line,))).spots for line in lines]
    assert block.spots == frozenset().union(*each)
    assert [together._lines[line] for line in lines] == each


def test_new_lines_are_searched_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of ordinary text, and the others; twenty lines of an attack were forty searches."""
    searched: list[list[bytes]] = []
    candidates = Screen.candidates

    def counting(self: Screen, values: list[bytes], *rest: object, **more: bool) -> object:
        searched.append(list(values))
        return candidates(self, values, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(Screen, "candidates", counting)
    known = memory()

    known.block(get(b"/", tuple((b"x-%d" % number, b"(%d)" % number) for number in range(20))))

    assert len(searched) == 2
    assert sum(map(len, searched)) == 40


def test_rules_about_names_are_asked_once_for_the_same_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """920450 sets a variable for each name: a fifth of what a head cost in which every line was new."""
    asked: list[object] = []
    evaluate = header_memory.evaluate

    def counting(step: object, run: object) -> bool:
        asked.append(step)
        return evaluate(step, run)  # type: ignore[arg-type]

    monkeypatch.setattr(header_memory, "evaluate", counting)
    known = memory(FORBIDDEN)

    blocks = [known.block(get(b"/", ((b"host", b"h"), (b"x", b"%d" % number)))) for number in range(9)]
    other = known.block(get(b"/", ((b"host", b"h"), (b"proxy", b"1"))))

    assert len(asked) == 2
    assert all(1 in block.quiet for block in blocks)
    assert 1 not in other.quiet


def test_all_memories_are_bounded() -> None:
    """Phones choose their headers freely."""
    known = memory()
    for number in range(BLOCKS_BYTES_MAX // 500):
        known.block(get(b"/", ((b"x%d" % number, b"%d" % number),)))
    full = len(known._lines), len(known._blocks)
    known.block(get(b"/", ((b"x", b"y" * (BLOCKS_BYTES_MAX // 64)),)), hostile=True)

    assert known._lines.bytes <= LINES_BYTES_MAX
    assert known._blocks.bytes <= BLOCKS_BYTES_MAX
    assert known._names.bytes <= NAMES_BYTES_MAX
    assert full == (len(known._lines), len(known._blocks))

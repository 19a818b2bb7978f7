"""Every malformed request is refused with its status, from memory and without it."""

import pytest

from edge.l7.http1.head import judge
from edge.l7.http1.memo import HeadMemo
from edge.l7.http1.rules import HeadLimits
from tests.kit.http_verdict import outcome
from tests.l7.http1.malformed_cases import CASES, Case

LIMITS = HeadLimits()
NAMES = [f"{name} ({section})" for name, section, _, _ in CASES]


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_the_plain_path_says_what_the_rfc_says(case: Case) -> None:
    """What two parsers could read in two ways never reaches a second parser."""
    _, _, data, expected = case

    assert outcome(data, lambda head: judge(head, LIMITS), LIMITS)[0] == expected


@pytest.fixture(scope="module")
def memory() -> HeadMemo:
    """One that has seen every good request, and from then on whatever the tests show it."""
    memo = HeadMemo(LIMITS, 4096, 1 << 20)
    for _, _, good, status in CASES:
        if status == 200:
            outcome(good, memo.judge, LIMITS)
    return memo


@pytest.mark.parametrize("case", CASES, ids=NAMES)
def test_a_memory_full_of_requests_says_the_same(memory: HeadMemo, case: Case) -> None:
    """The danger of remembering is to wave through a bad line because of its good neighbours."""
    _, _, data, expected = case

    assert outcome(data, memory.judge, LIMITS)[0] == expected
    assert outcome(data, memory.judge, LIMITS)[0] == expected, "and again, now that it was seen"


def test_there_are_enough_cases_and_no_two_of_one_name() -> None:
    """The table is a promise of at least 150; a doubled name would hide a case."""
    assert len(CASES) >= 150
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("case", [case for case in CASES if case[3] != 200], ids=lambda case: case[0])
def test_a_bad_request_is_not_saved_by_arriving_slowly(case: Case) -> None:
    """Cut at any byte, the beginning is either waited for or refused, never served."""
    _, _, data, _ = case
    if len(data) > 1000:
        pytest.skip("long ones differ from short ones in nothing here")

    for end in range(len(data)):
        status = outcome(data[:end], lambda head: judge(head, LIMITS), LIMITS)[0]
        assert status != 200 or data[:end].endswith(b"\r\n\r\n")

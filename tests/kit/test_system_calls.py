"""The counter of system calls."""

from tests.kit.system_calls import parse

SUMMARY = """% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 45.12    0.001234           1      2000           epoll_wait
 30.00    0.001000           1      1003         3 recvfrom
  0.00    0.000000           0         1           brk
------ ----------- ----------- --------- --------- ----------------
100.00    0.002234           0      3004         3 total
"""


def test_a_summary_is_read_with_and_without_errors() -> None:
    """A column that was taken for another would make every bound hold."""
    assert parse(SUMMARY) == {"epoll_wait": 2000, "recvfrom": 1003, "brk": 1}

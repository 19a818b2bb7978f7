"""Whose machine was it?"""

import os
from pathlib import Path

import pytest

from edge.lab.crowd import Busy, others_share, read


def test_what_is_neither_idle_nor_ours_was_others() -> None:
    """Two cores for ten seconds, half of it idle, a quarter ours."""
    before = Busy(100.0, 200.0, 3.0)

    assert others_share(before, Busy(110.0, 210.0, 8.0)) == pytest.approx(0.25)


def test_a_machine_of_ones_own_has_no_others() -> None:
    """Ticks are coarse: ours may seem to be more than all."""
    assert others_share(Busy(0, 0, 0), Busy(1.0, 9.0, 1.02)) == 0
    assert others_share(Busy(1, 1, 0), Busy(1, 1, 0)) == 0


def test_stolen_time_is_others_and_waiting_for_a_disk_is_idle() -> None:
    """A hypervisor's other guests are as good as a neighbour's compiler."""
    line = "cpu  100 10 50 1000 40 5 15 20 7 0\ncpu0 1 1 1 1"

    assert read(line, 100, 1.5) == Busy(2.0, 10.4, 1.5)


def test_the_kernels_own_line_is_understood() -> None:
    """Of whatever kernel this is."""
    now = read(Path("/proc/stat").read_text(), os.sysconf("SC_CLK_TCK"), 0.0)

    assert now.busy_s > 0
    assert now.idle_s >= 0

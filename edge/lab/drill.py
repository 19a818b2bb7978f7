"""Which fault is hidden this time, and how well was it found?

A drill plays one fault somewhere and tells nobody where.  The learner has the
edge's own instruments: traces, stats, logs.  What counts is what phones feel: the
drill is passed when the symptoms are gone although the fault is still there to be
felt by whoever goes near it.  Restarting everything works, too, and is
graded for what it is.

Pure: the same dice on the same edge hide the same fault.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from edge.lab.measure import quantile

DRILL_S = 600.0  # faults end after ten minutes, and so does a drill
POINTS_MAX = 100
POINTS_PER_HINT = 15
POINTS_PER_BYSTANDER = 10
# Free for looking around; then a point for every five seconds.
FREE_S = 60.0
SECONDS_PER_POINT = 5.0
# What a phone feels as "well again": not much slower than before, and no errors.
WELL_FACTOR = 2.0
WELL_EXTRA_MS = 60.0
FELT = 0.95  # one slow answer in twenty is what a person notices of a page of twenty things


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of fault that a drill may hide."""

    level: int
    kind: str
    amount: float
    share: float
    services: tuple[str, ...]
    symptom: str
    word: str  # what an answer has to contain
    hint: str


# Faults that this edge does not heal by itself: a copy that says 503 is retried elsewhere
# and then ejected, and nobody would feel it long enough to look for it.
KINDS = (
    Kind(
        1,
        "latency",
        600,
        1.0,
        ("feed", "story", "dm"),
        "some requests are slow",
        "slow",
        "compare two traces",
    ),
    Kind(1, "error", 500, 1.0, ("user",), "nobody gets a feed", "error", "whom does the feed ask first?"),
    Kind(
        1,
        "down",
        0,
        1.0,
        ("media", "user"),
        "something is not there any more",
        "down",
        "`edge status` says live",
    ),
    Kind(
        2,
        "latency",
        500,
        0.5,
        ("feed", "dm"),
        "now and then a request is slow",
        "slow",
        "one copy, most of the time",
    ),
    Kind(
        2,
        "reset",
        0,
        0.5,
        ("media", "user"),
        "some requests break off",
        "reset",
        "look for two tries in a trace",
    ),
    Kind(
        2, "bandwidth", 8, 1.0, ("media",), "pictures come in slices", "bandwidth", "the first byte is quick"
    ),
    Kind(
        3,
        "latency",
        220,
        0.7,
        ("ranking", "user"),
        "the feed is slow, yet no feed is",
        "slow",
        "look below the feed",
    ),
    Kind(
        3,
        "latency",
        350,
        1.0,
        ("ads", "recommend"),
        "the feed is slow and lacks a part",
        "slow",
        "what is degraded?",
    ),
    Kind(
        3,
        "timeout",
        0,
        0.5,
        ("ads", "recommend"),
        "the feed waits for somebody",
        "timeout",
        "who is late, and by how much?",
    ),
)


class Drill(Struct, frozen=True, kw_only=True):
    """What is remembered of a running drill."""

    seed: int
    level: int
    at: str
    kind: str
    symptom: str
    word: str
    hint: str
    began_unix: float
    baseline_ms: float
    last_event: int
    hints: int = 0


def candidates(
    level: int, members: Iterable[tuple[str, str]], shuffle: Callable[[list[tuple[str, Kind]]], None]
) -> list[tuple[str, Kind]]:
    """Where what may be hidden, in the order that `shuffle` makes; `members` are (name, service).

    The first that phones feel is played.  Empty where nothing fits this edge.
    """
    found = [
        (name, kind)
        for name, service in sorted(members)
        for kind in KINDS
        if kind.level == level and service in kind.services
    ]
    shuffle(found)
    return found


def is_well(latencies_ms: Sequence[float], errors: int, baseline_ms: float) -> bool:
    """Do phones feel nothing of it any more?  The slow end against what it was before."""
    slow = quantile(sorted(latencies_ms), FELT)
    return errors == 0 and bool(latencies_ms) and slow <= baseline_ms * WELL_FACTOR + WELL_EXTRA_MS


def bystanders(events: Iterable[dict[str, Any]], culprit: str, names: Iterable[str]) -> list[str]:
    """Processes that were drained, weighed down or restarted for nothing."""
    known = set(names)
    touched = set()
    for event in events:
        if event["event"] in ("command.drain", "command.weight", "command.stop", "member.leave"):
            touched.add(str(event["name"]))
    return sorted(name for name in touched & known if name != culprit)


def points(after_s: float, hints: int, innocent: int) -> int:
    """Out of 100."""
    late = max(0.0, after_s - FREE_S) / SECONDS_PER_POINT
    lost = late + hints * POINTS_PER_HINT + innocent * POINTS_PER_BYSTANDER
    return max(0, round(POINTS_MAX - lost))


def is_right(answer: str, drill: Drill) -> bool:
    """Does the answer name the process and the sort of fault?"""
    words = answer.lower().replace(",", " ").split()
    synonyms = {
        "slow": {"slow", "latency", "delay"},
        "down": {"down", "dead", "refused"},
        "error": {"error", "errors", "503", "fails"},
        "reset": {"reset", "resets", "rst"},
        "bandwidth": {"bandwidth", "throttled", "narrow"},
        "timeout": {"timeout", "timeouts", "hangs", "silent"},
    }
    return drill.at in words and bool(synonyms[drill.word] & set(words))

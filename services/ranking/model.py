"""Which of these pictures does this account want to see first, and why?

A linear model over three features of a candidate, each between 0 and 1:

* recency: halves every eight hours;
* affinity: how much the viewer cares for the author: does the author follow
  back, and how often did the viewer linger there (drawn from the seed);
* popularity: the logarithm of the likes.

Then a greedy pass: each further picture of one author is worth less, so that one
busy account does not fill the screen.  A score is the sum of its parts, and the
parts are handed out with it: whoever asks "why is this on top?" can add them up.

Variants are sets of weights; an experiment names one.
"""

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

VERSION = "linear-1"
HALF_LIFE_S = 8 * 3600.0
LIKES_FULL = 5120  # counts as fully popular
REPEAT_FACTOR = 0.6  # for each earlier picture of the same author


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each feature counts."""

    recency: float
    affinity: float
    popularity: float


VARIANTS = {
    "balanced": Weights(recency=0.45, affinity=0.35, popularity=0.20),
    "friends": Weights(recency=0.25, affinity=0.65, popularity=0.10),
    "fresh": Weights(recency=0.85, affinity=0.10, popularity=0.05),
}
DEFAULT_VARIANT = "balanced"


@dataclass(frozen=True, slots=True)
class Candidate:
    """One picture that could be shown."""

    media_id: str
    author: int
    age_s: float
    likes: int
    lingering: float  # 0 to 1: how long this viewer looks at this author's pictures
    follows_back: bool


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate's place: `score` is the sum of the parts times `repeat`."""

    media_id: str
    score: float
    recency: float
    affinity: float
    popularity: float
    repeat: float


def rank(candidates: Sequence[Candidate], weights: Weights) -> list[Ranked]:
    """`candidates`, best first; of two equal ones the one given first stays first."""
    parts = [_parts(candidate, weights) for candidate in candidates]
    # A score only falls (when another picture of its author is shown), so an outdated
    # entry on top of the heap is put back with today's score: lazy greedy.
    waiting = [(-sum(parts[n]), n, 0) for n in range(len(candidates))]
    heapq.heapify(waiting)
    shown: dict[int, int] = {}
    ranked: list[Ranked] = []
    while waiting:
        _, n, repeats = waiting[0]
        author = candidates[n].author
        earlier = shown.get(author, 0)
        repeat = REPEAT_FACTOR**earlier
        score = sum(parts[n]) * repeat
        if earlier != repeats:
            heapq.heapreplace(waiting, (-score, n, earlier))
            continue
        heapq.heappop(waiting)
        shown[author] = earlier + 1
        ranked.append(Ranked(candidates[n].media_id, score, *parts[n], repeat))
    return ranked


def _parts(candidate: Candidate, weights: Weights) -> tuple[float, float, float]:
    recency = 0.5 ** (max(0.0, candidate.age_s) / HALF_LIFE_S)
    affinity = 0.4 * candidate.follows_back + 0.6 * candidate.lingering
    popularity = min(1.0, math.log2(1 + max(0, candidate.likes)) / math.log2(1 + LIKES_FULL))
    return weights.recency * recency, weights.affinity * affinity, weights.popularity * popularity

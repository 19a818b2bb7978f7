"""Does the fast engine say what the naive one says, a million times?

    nice -n 19 python -m tests.oracle.waf_differential --seed 1 --count 100000
    nice -n 19 python -m tests.oracle.waf_differential --small --seed 1 --count 1000000
    nice -n 19 python -m tests.oracle.waf_differential --crs DIR --paranoia 1 --seed 2 --count 100000
    nice -n 19 python -m tests.oracle.waf_differential --crs DIR --suite DIR --count 30000
    nice -n 19 python -m tests.oracle.waf_differential --words --seed 3 --count 100000

Generates requests (`waf_grammar`), with `--words` ordinary ones (`waf_words`), or with `--suite` mutates
those of the Core Rule Set's own tests, gives each to both engines and compares whole verdicts; of the fast
one it asks for both ways, with sets and with filters.  A difference is printed with the two numbers that make
it again; the exit status is their count, at most 1.

The oracle walks every rule for every request.  What it is allowed to remember is what one pattern says about
one value after its transformations, because that is a pure function of bytes and has nothing to do with the
prefilter, the folding or the memory that are on trial.  It makes the million affordable: values and headers
of the grammar repeat, and so do those of phones.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from random import Random

from edge.l7.waf.compiled import CompiledLink
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.operators import Hit, Test
from edge.l7.waf.program import NaiveProgram
from edge.l7.waf.request import WafRequest, WafVerdict
from edge.l7.waf.ruleset import RuleSet, Settings
from edge.l7.waf.transform import Pipeline
from edge.l7.waf.variables import Transaction
from tests.oracle.waf_grammar import Sample, mutated, request, small_request
from tests.oracle.waf_suite import TEST_VARIABLES, cases
from tests.oracle.waf_words import ordinary_request, words_of

# What one pattern remembers; with a few hundred patterns this stays under 200 MB.
REMEMBERED_MAX = 1024
SHOWN_MAX = 20


def oracle(ruleset: RuleSet) -> Inspector:
    """The naive engine, with patterns that remember what they said."""
    inspector = Inspector(ruleset, naive=True)
    program = inspector._program
    assert isinstance(program, NaiveProgram)
    for steps in program._steps.values():
        for step in steps:
            for link in step.links:
                if link.test is not None and _is_pure(link):
                    link.test = _remembering(link.test)
                link.pipeline = _remembering_pipeline(link.pipeline.names)
    return inspector


class _Remembering(Pipeline):
    """A pipeline that remembers what it made of short values."""

    __slots__ = ("_known",)

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names)
        self._known = lru_cache(maxsize=REMEMBERED_MAX)(super().__call__)

    def __call__(self, text: bytes) -> bytes:
        return self._known(text)


_remembering_pipeline = cache(_Remembering)


def _is_pure(link: CompiledLink) -> bool:
    operator = link.link.operator
    return operator is not None and operator.argument.constant is not None


def _remembering(test: Test) -> Test:
    nobody = Transaction(WafRequest("", "", b"", "", ()))
    known: Callable[[bytes], Hit | None] = lru_cache(maxsize=REMEMBERED_MAX)(
        lambda value: test(value, nobody)
    )
    return lambda value, _transaction: known(value)


def verdict(engine: Inspector, sample: Sample) -> WafVerdict:
    """What one engine says."""
    head, body = sample
    return engine.inspect_body(head, body, 0.0) if body else engine.inspect_head(head, 0.0)


def difference(one: WafVerdict, other: WafVerdict) -> str:
    """An empty text when both say the same about a request; else what differs.

    Not compared, because only the naive engine walks into them: rules that just keep books, and rules that
    `ctl` has taken away for this request (`excluded`).
    """
    for name in ("action", "status", "score", "detection_score", "families"):
        if getattr(one, name) != getattr(other, name):
            return f"{name} {getattr(one, name)} / {getattr(other, name)}; {_ids(one)} / {_ids(other)}"
    if one.matches == other.matches:
        return ""
    apart = [pair for pair in zip(one.matches, other.matches, strict=False) if pair[0] != pair[1]]
    return f"{_ids(one)} / {_ids(other)}; first apart: {apart[:1]}"


def _ids(one: WafVerdict) -> list[int]:
    return [match.id for match in one.matches]


def suite_samples(directory: Path) -> list[Sample]:
    """The requests of our half of the suite."""
    return [(one.request, one.body) for case in cases(directory) for one in case.exchanges]


def generated(
    seed: int,
    first: int,
    count: int,
    suite: list[Sample],
    small: bool = False,
    words: Sequence[bytes] = (),
) -> Iterator[tuple[int, Sample]]:
    """Numbered requests: mutations of the suite if there is one, of `words` if there are any, else the
    grammar's."""
    for number in range(first, first + count):
        if words:
            yield number, ordinary_request(words, seed, number)
        elif suite:
            dice = Random(f"{seed}/{number}")
            yield number, mutated(dice, suite[number % len(suite)])
        else:
            yield number, small_request(seed, number) if small else request(seed, number)


def rules(crs: Path | None, paranoia: int) -> RuleSet:
    """The embedded rules, and with `crs` those of that directory as well."""
    settings = Settings(
        blocks=False,
        paranoia=paranoia,
        detection_paranoia=paranoia,
        variables=TEST_VARIABLES[5:] if crs else (),
    )
    return load_ruleset([crs] if crs else [], settings)


def main() -> int:
    """Run one chunk and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--crs", type=Path)
    parser.add_argument("--paranoia", type=int, default=1)
    parser.add_argument("--suite", type=Path)
    parser.add_argument("--small", action="store_true", help="one value a request")
    parser.add_argument("--words", action="store_true", help="ordinary text made of the rules' own words")
    asked = parser.parse_args()
    ruleset = rules(asked.crs, asked.paranoia)
    fast, apart, slow = Inspector(ruleset), Inspector(ruleset), oracle(ruleset)
    suite = suite_samples(asked.suite) if asked.suite else []
    began, differences, tally = time.process_time(), 0, Counter[str]()
    words = words_of(ruleset) if asked.words else ()
    for number, sample in generated(asked.seed, asked.first, asked.count, suite, asked.small, words):
        quick, expected = verdict(fast, sample), verdict(slow, sample)
        head, body = sample
        said = difference(quick, expected) or difference(
            apart.inspect_apart(head, body or None, 0.0), expected
        )
        tally[quick.action] += 1
        if said:
            differences += 1
            if differences <= SHOWN_MAX:
                print(f"difference: seed {asked.seed} number {number}: {said}", flush=True)
    spent_s = time.process_time() - began
    kind = "mutations of the suite" if suite else "requests"
    print(
        f"{asked.count} {kind} from number {asked.first} of seed {asked.seed}, {len(ruleset.rules)} rules at "
        f"paranoia {asked.paranoia}: {differences} differences; {tally['detect']} would be blocked, "
        f"{len(fast.counts)} rules fired; {spent_s:.0f} s of CPU"
    )
    return min(differences, 1)


if __name__ == "__main__":
    sys.exit(main())

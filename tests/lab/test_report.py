"""One file, no request, no script, whatever was measured."""

from html.parser import HTMLParser

from edge.lab.measure import Sample
from edge.lab.plan import parse
from edge.lab.plot import bars, cloud, lines, nice, thinned
from edge.lab.report import report
from edge.lab.run import Exemplar, LabRun, Mark, VariantRun, Verdict, answer, judge, number, table
from tests.lab.test_plan import GOOD

HOSTILE = '"><script>alert(1)</script>'
SPAN = {
    "trace_id": "a" * 32,
    "span_id": "b" * 16,
    "parent_id": "",
    "name": "GET feed",
    "service": "edge-l7",
    "instance": HOSTILE,
    "pid": 1,
    "kind": 2,
    "start_ns": 1_000_000,
    "end_ns": 5_000_000,
    "error": "",
    "attributes": {"edge.why": HOSTILE},
}


def samples(number: int) -> list[Sample]:
    return [
        Sample(
            load="phones",
            at_s=at / 100,
            ms=1.0 + at % 97,
            status=200,
            right=at % 10 != 0,
            server=f"s-{at % 8}",
        )
        for at in range(number)
    ]


def run_of(made: list[Sample]) -> LabRun:
    failed = Sample(load="phones", at_s=1.0, ms=5.0, error=HOSTILE, trace_id="a" * 32)
    variant = VariantRun(
        name="edge",
        note=HOSTILE,
        seconds=10.0,
        samples=[*made, failed],
        marks=[Mark(at_s=2.0, text=HOSTILE)],
        counters=[("edge_x_total", {"code": HOSTILE, "process": "p"}, 3.0)],
        exemplars=[
            Exemplar(label=HOSTILE, sample=failed, spans=[SPAN]),
            Exemplar(label="gone", sample=failed, spans=[]),
        ],
    )
    measures = {"edge": {"phones": {"p95_ms": 12.345, "errors": 1}, "counters": []}}
    lab = parse(GOOD, "good")
    return LabRun(
        name="good",
        began_unix=0.0,
        commit="abc",
        machine="2 cores",
        prediction=HOSTILE,
        predicted=answer(lab, measures),
        variants=[variant],
        verdicts=[
            *judge(lab, measures),
            Verdict(that=HOSTILE, because=HOSTILE, holds=True, measured=[(HOSTILE, "1")]),
        ],
        table=table(lab, measures),
    )


class Watcher(HTMLParser):
    """Everything in a page that would make a browser ask somebody, or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "iframe", "img", "object", "embed"):
            self.found.append(tag)
        self.found += [
            f"{tag} {name}" for name, value in attributes if name in ("src", "href") or name.startswith("on")
        ]


def test_a_report_asks_nobody_and_runs_nothing() -> None:
    """It is mailed around; and what a phone sent stands in it."""
    page = report(parse(GOOD, "good"), run_of(samples(500)), "", "today")

    watcher = Watcher()
    watcher.feed(page)

    assert watcher.found == []
    assert "<script>" not in page
    assert "default-src 'none'" in page


def test_a_report_says_what_failed() -> None:
    """An honest verdict: the badge is of all expectations together."""
    page = report(parse(GOOD, "good"), run_of(samples(10)), "", "today")

    assert "not as expected" in page
    assert "edge.phones.errors" in page


def test_a_long_run_stays_a_small_file() -> None:
    """100,000 requests are still a page that opens at once."""
    page = report(parse(GOOD, "good"), run_of(samples(100_000)), "", "today")

    assert len(page) < 1_500_000


def test_thinning_keeps_the_slowest() -> None:
    """Outliers are the story."""
    made = samples(10_000)
    slowest = Sample(load="phones", at_s=50.0, ms=1e6, status=200, right=True)

    assert slowest in thinned([*made[:5000], slowest, *made[5000:]], 100)


def test_plots_of_nothing_are_plots() -> None:
    """A run in which nothing was answered has a report, too."""
    assert "<svg" in cloud([], [], 5.0, "empty")
    assert "<svg" in lines([0.0], [("none", [0.0], "red")], [], 5.0, "empty", "/s")
    assert "<svg" in bars([("a", 0.0)], "empty", "ms")


def test_what_lasts_is_a_band() -> None:
    """Where a fault ends by itself is part of the story; a kill is over at once."""
    made = samples(10)
    fault = Mark(at_s=1.0, text="+300 ms for 2 s", until_s=3.0)

    drawn = lines([0.0, 4.0], [("a", [1.0, 1.0], "red")], [fault, Mark(at_s=2.0, text="kill")], 4.0, "t", "")

    assert drawn.count('class="band"') == 1
    assert cloud(made, [fault], 4.0, "t").count('class="band"') == 1


def test_axes_end_at_round_numbers() -> None:
    """1, 2 or 5, times a power of ten."""
    assert [nice(value) for value in (0, 0.3, 1, 3, 14, 70, 101)] == [1.0, 0.5, 1.0, 5.0, 20.0, 100.0, 200.0]


def test_numbers_are_for_people() -> None:
    """No digit that is noise."""
    assert [number(value) for value in (3.0, 12.345, 4960.7, 0.12345, True)] == [
        "3",
        "12.3",
        "4,961",
        "0.123",
        "True",
    ]

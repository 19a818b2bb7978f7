"""Variants for phones, versions for accounts."""

from msgspec.structs import replace

from edge.common.config import ExperimentConfig, MirrorConfig, RouteConfig
from edge.common.trace import TraceContext
from edge.l7.request import Request
from edge.l7.stages.experiment import MEMO_ENTRIES_MAX, Experiments
from edge.l7.stages.route_table import make_route

RANKER = ExperimentConfig(name="ranker", variants={"old": 50, "new": 50})
BUTTON = ExperimentConfig(name="button", key="device", variants={"red": 1, "blue": 1})
SPLIT = RouteConfig(name="feed", path="/feed", split={"stable": 90, "canary": 10})


def ask(
    stage: Experiments, account: int | None = 1, cookie: bytes = b"", route: RouteConfig | None = None
) -> Request:
    headers = ((b"cookie", cookie),) if cookie else ()
    request = Request("GET", b"/", headers, source="198.51.100.7", trace=TraceContext("ab" * 16, "1" * 16))
    request.account = account
    request.route = make_route(route) if route else None
    assert stage(request, 0.0, 0.0) is None
    return request


def test_an_account_keeps_its_variant_in_every_worker() -> None:
    """Deterministic: two stages agree without a word."""
    one, other = Experiments((RANKER,)), Experiments((RANKER,))

    first = [ask(one, account).variants for account in range(100)]
    second = [ask(other, account).variants for account in range(100)]

    assert first == second
    assert {variants["ranker"] for variants in first} == {"old", "new"}
    assert sum(one.exposures.values()) == 100


def test_the_service_is_told() -> None:
    """One header for all experiments."""
    request = ask(Experiments((RANKER, BUTTON)), cookie=b"edge_device=" + b"0" * 32)

    told = ", ".join(f"{name}={variant}" for name, variant in request.variants.items())
    assert set(request.variants) == {"ranker", "button"}
    assert request.upstream_lines == f"edge-experiment: {told}\r\n".encode()
    assert request.reply_lines == b""


def test_a_device_without_a_cookie_gets_one_and_is_known_by_it() -> None:
    """A made-up cookie that is not of our form is replaced."""
    stage = Experiments((BUTTON,))

    first = ask(stage, account=None)
    again = ask(stage, account=None, cookie=b"edge_device=" + b"ab" * 16)
    made_up = ask(stage, account=None, cookie=b"edge_device=<script>")

    assert first.reply_lines.startswith(b"set-cookie: edge_device=" + b"ab" * 16 + b"; Path=/")
    assert again.reply_lines == b""
    assert first.variants == again.variants
    assert made_up.reply_lines


def test_a_cached_route_has_no_variants() -> None:
    """One variant's answer would be stored for the others."""
    cached = RouteConfig(path="/", cluster="c", cache=True)

    assert ask(Experiments((RANKER, BUTTON)), route=cached).variants == {}


def test_nobody_without_an_account_is_in_an_account_experiment() -> None:
    """There is nothing to be sticky by."""
    assert ask(Experiments((RANKER,)), account=None).variants == {}


def test_percentages_change_at_run_time_and_a_disabled_one_is_gone() -> None:
    """A reload takes effect with the next request."""
    stage = Experiments((RANKER,))
    ask(stage)

    stage.reload((ExperimentConfig(name="ranker", variants={"old": 0, "new": 1}),), ())
    everybody = {ask(stage, account).variants["ranker"] for account in range(50)}
    stage.reload((ExperimentConfig(name="ranker", variants={"old": 1}, enabled=False),), ())

    assert everybody == {"new"}
    assert ask(stage).variants == {}


def test_a_split_is_sticky_and_the_rest_of_the_route_stays() -> None:
    """An account must not flip between versions."""
    stage = Experiments((), (SPLIT,))

    clusters = [ask(stage, account, route=SPLIT).route for account in range(1000)]
    again = [ask(stage, account, route=SPLIT).route for account in range(1000)]

    chosen = [route.cluster for route in clusters if route is not None]
    assert chosen == [route.cluster for route in again if route is not None]
    assert 60 < chosen.count("canary") < 140
    assert clusters[0] is not None
    assert clusters[0].name == "feed"
    assert clusters[0].config.split == {}


def test_a_split_route_is_otherwise_the_route_it_was() -> None:
    """Whoever mirrors a canary's route mirrors both of its clusters."""
    stage = Experiments((), (replace(SPLIT, mirror=MirrorConfig(cluster="next")),))

    route = ask(stage, 7, route=replace(SPLIT, mirror=MirrorConfig(cluster="next"))).route

    assert route is not None
    assert route.cluster in ("stable", "canary")
    assert route.mirror == MirrorConfig(cluster="next")


def test_what_a_phone_saw_is_written_down_for_the_log() -> None:
    """An exposure that nobody can look up is none."""
    request = ask(Experiments((RANKER,)), 7)

    assert request.exposed == ", ".join(f"{name}={variant}" for name, variant in request.variants.items())
    assert request.exposed.startswith("ranker=")
    assert ask(Experiments(()), 7).exposed == ""


def test_a_canary_that_fails_gets_nobody_any_more() -> None:
    """And the operator is told, once."""
    stage = Experiments((), (SPLIT,))
    for account in range(3000):
        route = ask(stage, account, route=SPLIT).route
        assert route is not None
        stage.learn(route, route.cluster == "stable")

    after = {ask(stage, account, route=SPLIT).route.cluster for account in range(1000)}  # type: ignore[union-attr]

    assert after == {"stable"}
    assert [cluster for _, cluster, _ in stage.news] == ["canary"]
    assert stage.canaries() == {next(iter(stage.canaries())): {"stable": 90, "canary": 0.0}}


def test_a_reload_keeps_a_stopped_canary_stopped_until_its_split_is_written_anew() -> None:
    """An unrelated change must not bring the bad version back."""
    stage = Experiments((), (SPLIT,))
    for account in range(3000):
        route = ask(stage, account, route=SPLIT).route
        assert route is not None
        stage.learn(route, route.cluster == "stable")

    stage.reload((RANKER,), (SPLIT,))
    still = stage.canaries()
    other = RouteConfig(name="feed", path="/feed", split={"stable": 80, "canary": 20})
    stage.reload((), (other,))

    assert [list(weights.values()) for weights in still.values()] == [[90, 0.0]]
    assert [list(weights.values()) for weights in stage.canaries().values()] == [[80, 20]]


def test_one_workers_verdict_holds_in_the_others() -> None:
    """Each sees a part of the requests; the first to be sure speaks for all."""
    stage = Experiments((), (SPLIT,))
    split = next(iter(stage.canaries()))

    stage.stop(split, "canary", "told so")
    stage.stop(split, "stable", "nobody stops the control")
    stage.stop("another", "canary", "a split we do not have")

    assert stage.canaries()[split] == {"stable": 90, "canary": 0.0}
    assert stage.watches()
    assert not stage.news


def test_the_memo_is_bounded() -> None:
    """A phone that invents a device each time costs no memory."""
    stage = Experiments((RANKER,))
    for account in range(MEMO_ENTRIES_MAX + 10):
        ask(stage, account)

    assert len(stage._memo) <= MEMO_ENTRIES_MAX

"""Which stages does this configuration make?  [I/O]

Reads what stages need from disk (public session keys, WAF rules), builds them in
the order of `edge.l7.pipeline`, and carries a new configuration into the ones
that are there, so that limits and remembered sessions survive a reload.
"""

import time
from collections.abc import Callable
from pathlib import Path

from edge.common.config import Config, WafConfig
from edge.common.errors import EdgeError
from edge.common.log import Log
from edge.common.revoked import read_revoked
from edge.l7.cache.flight import Flight
from edge.l7.cache.stage import Cache
from edge.l7.pipeline import Pipeline, Stage
from edge.l7.request import Request
from edge.l7.stages.auth import Auth
from edge.l7.stages.caller import Callers, are_asked
from edge.l7.stages.experiment import Experiments
from edge.l7.stages.normalise import Normalise
from edge.l7.stages.ratelimit import RateLimits
from edge.l7.stages.route import RouteStage
from edge.l7.stages.shed import Shed
from edge.l7.stages.waf import Waf
from edge.l7.verdict import Verdict
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.ruleset import Settings
from edge.l7.waf.warm_up import warm_up


class SecretMissing(EdgeError):
    """A secret that the configuration needs is not on disk."""

    blame = "operator"
    status_hint = None


class Stages:
    """The stages of one worker."""

    def __init__(
        self,
        config: Config,
        run_dir: Path,
        log: Log,
        under_way: Callable[[], int] = lambda: 0,
        revalidate: Callable[[Request, Flight], None] | None = None,
        *,
        hurried: bool = False,
    ) -> None:
        """`under_way`: how many requests are at the services now; `revalidate`: see `Cache`; `hurried`: see
        `Waf`.

        Raises an `EdgeError` that names what is unusable.
        """
        self._run_dir = run_dir
        self._hurried = hurried
        self._log = log
        self._config = config
        self.normalise = Normalise()
        self.route = RouteStage(config.route, config.waf, self._inspect_unrouted)
        self.caller = Callers()
        self.asks_callers = are_asked(config.route)  # for a client certificate, in the handshake
        self.waf = Waf(config.waf, _inspector(config.waf, log), hurried=hurried)
        self.auth = Auth(config.auth, session_keys(run_dir))
        for jti, until_unix in read_revoked(run_dir, time.time()).items():
            self.auth.revoke(jti, until_unix)
        self.ratelimit = RateLimits(config.limit)
        self.experiment = Experiments(config.experiment, config.route)
        self.shed = Shed(config.l7.shed, under_way)
        self._revalidate = revalidate
        self.cache = Cache(config.l7.cache, revalidate)
        self.pipeline = Pipeline(self.by_name())

    def inspector(self, config: Config) -> Inspector:
        """The one in use if it says what `config` and the rule files say now, else a new one, in a second.
        Any thread may ask.  Raises an `EdgeError`."""
        known = self.waf.inspector
        if config.waf == self._config.waf and not known.ruleset.is_outdated():
            return known
        return _new_inspector(config.waf)

    def reload(self, config: Config, inspector: Inspector) -> None:
        """Serve under `config` from the next request on, with what `inspector` made of it.  Raises an
        `EdgeError`; the old one then stays."""
        waf = self.waf
        if config.waf != self._config.waf or inspector is not waf.inspector:
            waf = Waf(config.waf, inspector, hurried=self._hurried)
            waf.take_over(self.waf)
        self.auth.reload(config.auth, session_keys(self._run_dir))
        self.route.reload(config.route, config.waf)
        self.caller.reload()
        self.asks_callers = are_asked(config.route)
        self.ratelimit.reload(config.limit)
        self.experiment.reload(config.experiment, config.route)
        self.shed.reload(config.l7.shed)
        if config.l7.cache != self._config.l7.cache:
            self.cache = Cache(config.l7.cache, self._revalidate)
        elif self._reads_answers() and (waf is not self.waf or config.route != self._config.route):
            self.cache.purge("", "*")  # what is stored was read under other rules, or by nobody
        self.waf = waf
        self._config = config
        self.pipeline = Pipeline(self.by_name())

    def _reads_answers(self) -> bool:
        return any(line.route.reads_answers for line in self.route.table.lines)

    def _inspect_unrouted(self, request: Request, now: float, unix_now: float) -> Verdict:
        return self.waf(request, now, unix_now)  # whichever is in use then

    def take_bans(self) -> list[tuple[str, str, float]]:
        """(source, reason, seconds) of those whom L4 is to refuse; each once."""
        found = [(source, "waf", seconds) for source, seconds in self.waf.bans]
        self.waf.bans.clear()
        while self.ratelimit.bans:
            source, seconds = self.ratelimit.bans.popleft()
            found.append((source, "limit", seconds))
        return found

    def by_name(self) -> dict[str, Stage]:
        """The stages under the names of `ORDER`."""
        stages: dict[str, Stage] = {
            "normalise": self.normalise,
            "route": self.route,
            "waf": self.waf,
            "auth": self.auth,
            "ratelimit": self.ratelimit,
            "experiment": self.experiment,
            "shed": self.shed,
            "cache": self.cache,
        }
        # Few edges have internal callers, and a stage that says nothing costs each request its clock.
        return stages | {"caller": self.caller} if self.asks_callers else stages


def session_keys(run_dir: Path) -> dict[str, bytes]:
    """Key id -> public key (PEM), of every `session-<kid>.pub.pem`."""
    found = {}
    for path in sorted((run_dir / "keys").glob("session-*.pub.pem")):
        found[path.name.removeprefix("session-").removesuffix(".pub.pem")] = path.read_bytes()
    return found


def affinity_secret(run_dir: Path, config: Config) -> bytes:
    """What the cookies of sticky clusters are made with; nothing where no cluster is sticky.

    Raises `SecretMissing`: with an empty or a guessed one, anybody could choose his endpoint.
    """
    if all(cluster.affinity != "cookie" for cluster in config.cluster):
        return b""
    path = run_dir / "keys" / "affinity.key"
    secret = path.read_bytes() if path.exists() else b""
    if not secret:
        raise SecretMissing(f"{path} is missing or empty; the supervisor makes it when it starts")
    return secret


# Made by the supervisor before it forks, so that workers share the compiled rules
# and one that was killed is back without compiling them again.
_PREPARED: dict[WafConfig, Inspector] = {}


def prepare(config: Config) -> None:
    """Do once what every worker would do: compile the rules, and warm them up."""
    if config.waf not in _PREPARED:
        _PREPARED[config.waf] = _new_inspector(config.waf)


def _inspector(config: WafConfig, log: Log) -> Inspector:
    prepared = _PREPARED.pop(config, None)
    if prepared is not None and not prepared.ruleset.is_outdated():
        return prepared
    try:
        return _new_inspector(config)
    except EdgeError as error:
        if prepared is None:
            raise
        # The files were good when the supervisor read them; a worker that comes back is better off with
        # those rules than not at all.
        log.error("waf.rules", error=str(error))
        return prepared


def _new_inspector(config: WafConfig) -> Inspector:
    settings = Settings(
        blocks=True,  # a route that only detects says so in the stage
        paranoia=config.paranoia,
        detection_paranoia=config.detection_paranoia,
        threshold=config.threshold,
        body_bytes_max=config.body_bytes_max,
        budget_s=config.budget_ms / 1000,
        budget_s_per_byte=config.budget_ms_per_kb / 1000 / 1024,
        on_budget_block=config.on_budget == "block",
    )
    rules = load_ruleset(config.rules, settings, embedded=config.embedded)
    # In the end the budget counts what the inspection used, not what others took from it: on a busy
    # machine a wall clock would refuse honest requests because the scheduler was elsewhere.
    inspector = Inspector(rules, clock=time.monotonic, cpu=time.thread_time)
    warm_up(inspector)
    return inspector

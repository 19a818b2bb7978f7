"""What may the rest of the edge ask of a worker, or tell it?  [I/O]

The handlers of the control link, in one place: who lives, a new configuration, bans,
certificates and keys, the cache, sessions, canaries.  Each changes something between
two requests; those under way end as they began.
"""

import time
from typing import TYPE_CHECKING, Any

from edge.common.errors import EdgeError
from edge.common.messages import Ban, Member
from edge.l7.banned import banned_among
from edge.l7.compose import session_keys
from edge.l7.renewal import Renewal
from edge.l7.tls import TlsError

if TYPE_CHECKING:
    from edge.l7.worker import Worker


class Orders:
    """One worker's end of the control link."""

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self.renewal = Renewal(worker.prepare, worker.use, self._not_renewed)

    def attach(self) -> None:
        """Answer from now on."""
        worker = self._worker
        link = worker.process.link
        link.on_members(self._members)
        link.on_revision(self.renewal.want)
        link.on_bans(self._bans)
        link.on_ask("trace", worker.ledger.find_trace)
        link.on_ask("recent", worker.ledger.recent)
        link.on_ask("waf", worker.ledger.findings.told)
        link.on_ask("stats", lambda args: worker.explain())
        link.on_command("reload-certificates", self._reload_certificates)
        link.on_command("purge", self._purge)
        link.on_command("revoke", self._revoke)
        link.on_report("canary", self._stop_canary)

    def _not_renewed(self, revision: str, error: EdgeError) -> None:
        self._worker.process.log.error("l7.reload", revision=revision, error=str(error))

    def _members(self, changed: list[Member], gone: list[str]) -> None:
        worker = self._worker
        now = time.monotonic()
        members = worker.process.link.members.values()
        for target in worker.forwarder.targets.values():
            for address in target.cluster.update(members, now):
                target.way.forget(address)
            if target.affinity is not None:
                target.affinity.set_endpoints(target.cluster.names())

    def _bans(self, added: list[Ban], lifted: list[str]) -> None:
        # L4 refuses who calls again; what it has handed over before is ours to end.
        worker = self._worker
        sources = {connection.flow.handover.source_ip for connection in worker.connections}
        admission = worker.config.l4.admission
        banned = banned_among(sources, added, time.time(), admission.ipv6_prefix, admission.allow)
        for connection in list(worker.connections):
            if connection.flow.handover.source_ip in banned:
                connection.cut()

    async def _reload_certificates(self, args: dict[str, Any]) -> str:
        worker = self._worker
        names = worker.certificates.reload()
        # Whoever renews one kind of key may have renewed the other.
        worker.stages.auth.reload(worker.config.auth, session_keys(worker.process.run_dir))
        for problem in worker.certificates.problems:
            worker.process.log.error("l7.certificate", error=problem)
        if worker.certificates.problems:
            raise TlsError("; ".join(worker.certificates.problems))
        return f"{worker.name} serves {', '.join(names)}"

    async def _purge(self, args: dict[str, Any]) -> str:
        worker = self._worker
        path = str(args["path"])
        purged = worker.stages.cache.purge(str(args.get("host", "")), path)
        return f"{worker.name} forgot {purged} responses under {path}"

    async def _revoke(self, args: dict[str, Any]) -> str:
        worker = self._worker
        jti = str(args["jti"])
        ttl_s = worker.config.auth.ttl_s
        worker.stages.auth.revoke(jti, float(args.get("until_unix", time.time() + ttl_s)))
        return f"{worker.name} ended session {jti}"

    def spread_canary_news(self) -> None:
        """Tell the operator and the other workers which canaries were stopped here."""
        worker = self._worker
        news = worker.stages.experiment.news
        while news:
            split, cluster, why = news.popleft()
            worker.process.log.warning("l7.canary_stopped", split=split, cluster=cluster, why=why)
            worker.process.link.report("canary", [split, cluster, why])

    def _stop_canary(self, name: str, told: Any) -> None:
        worker = self._worker
        if isinstance(told, list) and len(told) == 3:
            worker.stages.experiment.stop(*map(str, told))

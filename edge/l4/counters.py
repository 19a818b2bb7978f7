"""What does this L4 count?

Children are looked up once, here; the hot path only adds.  Gauges are read from
the distributor when the clock ticks.
"""

from edge.common.metrics import Registry
from edge.l4.admission import Refusal
from edge.l4.distributor import Distributor


class Counters:
    """The L4's numbers in a process's registry."""

    def __init__(self, registry: Registry) -> None:
        results = registry.counter(
            "edge_l4_connections_total", "Connections accepted, by what became of them", ("result",)
        )
        self.handed = results.child("handed")
        self.no_worker = results.child("no-worker")
        self.refused = {reason: results.child(reason.value) for reason in Refusal}
        self.given_again = registry.counter(
            "edge_l4_handed_again_total", "Connections given to a second worker because the first left"
        ).child()
        self.send_failures = registry.counter(
            "edge_l4_handover_failures_total", "Batches a worker's socket did not take"
        ).child()
        self.bad_credits = registry.counter(
            "edge_l4_bad_credits_total", "Messages from workers that were no credits"
        ).child()
        self.exhausted = registry.counter(
            "edge_l4_descriptors_exhausted_total", "Times accepting paused for want of descriptors"
        ).child()
        self.bad_headers = registry.counter(
            "edge_l4_bad_proxy_headers_total", "Connections whose PROXY header was none"
        ).child()
        carried = registry.counter("edge_l4_bytes_total", "Bytes copied; handoff copies none", ("direction",))
        self.bytes_in = carried.child("in")
        self.bytes_out = carried.child("out")
        self.takeovers = registry.counter(
            "edge_l4_takeovers_total", "Times this process became active", ("reason",)
        )
        self._limited = registry.counter(
            "edge_l4_accept_rate_limited_total", "Connections refused for coming too fast"
        ).child()
        self._open = registry.gauge(
            "edge_l4_active_connections", "Connections this L4 handed over that are open"
        ).child()
        self._sources = registry.gauge("edge_l4_known_sources", "Sources whose rate is written down").child()
        self._banned = registry.gauge("edge_l4_bans", "Networks refused").child()
        self._flooding = registry.gauge(
            "edge_l4_flood_mode", "1 while new sources are not written down"
        ).child()
        self._workers = registry.gauge("edge_l4_candidates", "Workers that may be chosen").child()
        self._kernel = registry.counter(
            "edge_l4_kernel_events_total",
            "Counters of /proc/net/netstat about full queues and cookies",
            ("name",),
        )
        self.active = registry.gauge("edge_l4_active", "1 while this process accepts").child()

    def see(self, distributor: Distributor) -> None:
        """Bring the gauges up to date."""
        admission = distributor.admission
        self._open.value = len(distributor.connections)
        self._sources.value = admission.known()
        self._banned.value = admission.banned()
        self._flooding.value = int(admission.flooding)
        self._workers.value = distributor.candidates
        self._limited.value = self.refused[Refusal.SOURCE_RATE].value + self.refused[Refusal.RATE].value

    def see_kernel(self, counts: dict[str, int]) -> None:
        """Put what the kernel counted beside our own numbers."""
        for name, count in counts.items():
            self._kernel.child(name).value = count

    def results(self) -> dict[str, int]:
        """Connections by what became of them, without the zeros."""
        named = [("handed", self.handed), ("no-worker", self.no_worker)]
        named += [(reason.value, number) for reason, number in self.refused.items()]
        return {name: int(number.value) for name, number in named if number.value}

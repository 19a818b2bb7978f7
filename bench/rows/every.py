"""Every row by name, in the order in which they are run.  [I/O]"""

from collections.abc import Callable
from functools import partial

from bench.measure import Bench
from bench.rows import grow, l4, l7, tls, whole
from bench.table import Row

ROWS: dict[str, Callable[[Bench], Row]] = {
    "l4-connect": l4.connect,
    "l4-stream-1": partial(l4.bulk, connections=1),
    "l4-stream-64": partial(l4.bulk, connections=64),
    "l7-hot": l7.hot,
    "l7-cold": l7.cold,
    "l7-trace": l7.trace,
    "l7-cache-small": partial(l7.cache, size="small", told="600 bytes"),
    "l7-cache-big": partial(l7.cache, size="big", told="100 KB"),
    "l7-waf-hot": partial(l7.waf, novel=False),
    "l7-waf-cold": partial(l7.waf, novel=True),
    "l7-post-4k": partial(l7.post, size=4096),
    "l7-post-1m": partial(l7.post, size=1 << 20),
    "l7-large": l7.large,
    "tls-full": partial(tls.handshakes, kind="full"),
    "tls-resumed": partial(tls.handshakes, kind="resumed"),
    "idle": tls.idle,
    "e2e": whole.timeline,
    "grow-connections": grow.connections,
    "grow-routes": grow.routes,
    "grow-endpoints": grow.endpoints,
    "p99-at-60": grow.latency,
}
QUICK = ("l4-connect", "l7-hot", "l7-cold", "tls-full")

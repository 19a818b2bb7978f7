"""A real worker in front of one origin, with the cache as permissive as RFC 9111 lets it be.

`python -m tests.kit.caching_worker RUN_DIR HOST:PORT` prints its ports as JSON.
"""

import sys
from pathlib import Path

import trio

from edge.common.config import BreakerConfig, ClusterConfig, HealthConfig, RouteConfig
from edge.supervise.keys import ensure_keys
from tests.kit.l7_worker import serve_alone, toy_config


def main() -> None:
    """Serve until killed."""
    run_dir, address = Path(sys.argv[1]), sys.argv[2]
    config = toy_config(
        address,
        route=(
            RouteConfig(
                name="tests", path="/test/*", cluster="toy", cache=True, cache_cookies=True, limits=()
            ),
            RouteConfig(name="rest", path="/*", cluster="toy", limits=()),
        ),
        cluster=(
            # An origin that fails on purpose must not be taken for a sick one.
            ClusterConfig(
                name="toy",
                endpoints=(address,),
                health=HealthConfig(interval_s=3600.0, eject_after=0),
                breaker=BreakerConfig(failure_share=0.0),
            ),
        ),
    )
    (run_dir / "l7").mkdir(parents=True, exist_ok=True)
    ensure_keys(run_dir, config)
    trio.run(serve_alone, run_dir, config)


if __name__ == "__main__":
    main()

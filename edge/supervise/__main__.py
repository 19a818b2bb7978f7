"""`python -m edge.supervise TIER`: one line of the Procfile.  [I/O]

Exit status 2 means that nothing was started, and stderr says why: every problem
of the configuration, or of the machine, at once.
"""

import os
import sys
from pathlib import Path

from edge.supervise import curves

curves.prefer()
# Whatever is imported from here on may be the first to use OpenSSL.
from edge.common.config_file import load  # noqa: E402
from edge.common.errors import ConfigError  # noqa: E402
from edge.supervise.formation import TIERS, supervised_by  # noqa: E402
from edge.supervise.keys import ensure_keys  # noqa: E402


def main(arguments: list[str]) -> int:
    """Run the supervisor of one tier; returns the exit status."""
    if len(arguments) != 1 or arguments[0] not in TIERS:
        print(f"usage: python -m edge.supervise {{{'|'.join(TIERS)}}}", file=sys.stderr)
        return 2
    tier = arguments[0]
    run_dir = Path(os.environ.get("EDGE_RUN_DIR", "run")).absolute()
    try:
        config = load(Path(os.environ.get("EDGE_CONFIG", "edge.toml")))
        specs = supervised_by(config, tier)
        ensure_keys(run_dir, config)
        # Imported late: a mistake in edge.toml is reported without paying for it.
        from edge.supervise.supervisor import Supervisor

        return Supervisor(tier, specs, config, run_dir).run()
    except ConfigError as error:
        for problem in error.problems:
            print(f"edge {tier}: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

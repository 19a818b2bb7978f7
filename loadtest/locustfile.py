"""What Locust loads: the phones, the attackers if any, and the shape of the run.  [I/O]

`edge load` starts this with its settings in EDGE_LOAD_* variables; by hand:

    locust -f loadtest/locustfile.py --headless -u 50 -r 10 -t 60s
"""

import os
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events

from loadtest.notable import Notable
from loadtest.phone import CityPhone, Phone
from loadtest.settings import from_environment
from loadtest.shapes import phones_at

SETTINGS = from_environment(os.environ)
NOTABLE = Notable()

CityPhone.settings = SETTINGS
CityPhone.notable = NOTABLE


# Locust runs every user class that it finds in this module's names.
__all__ = ["Phone"]

if SETTINGS.attackers:
    from loadtest.attacker import Attacker

    Attacker.fixed_count = SETTINGS.attackers


if SETTINGS.shape != "steady":

    class Day(LoadTestShape):
        """As many phones as the shape wants at each moment; attackers come on top, always."""

        use_common_options = True

        def tick(self) -> tuple[int, float] | None:
            """How many users now, and how many new ones a second; None ends the run."""
            assert self.runner is not None, "Locust asks after it has started"
            options: Any = self.runner.environment.parsed_options
            at = float(self.get_run_time()) / float(options.run_time or 60)  # type: ignore[no-untyped-call]
            if at >= 1.0:
                return None
            most = max(1, int(options.num_users or 50) - SETTINGS.attackers)
            phones = phones_at(SETTINGS.shape, at, most)
            return phones + SETTINGS.attackers, float(options.spawn_rate or 10)


def remember(
    request_type: str, name: str, response_time: float, response: Any, exception: Any, **rest: Any
) -> None:
    """Keep what deserves a second look."""
    headers = getattr(response, "headers", None) or {}
    NOTABLE.request(
        f"{request_type} {name}",
        response_time or 0.0,
        headers.get("x-request-id", ""),
        "" if exception is None else f"{type(exception).__name__}: {exception}"[:200],
    )


def tell(**rest: Any) -> None:
    """Say what was worth a second look."""
    text = "\n".join(NOTABLE.lines())
    print(f"\n{text}", flush=True)
    if SETTINGS.summary:
        Path(SETTINGS.summary).write_text(text + "\n")


events.request.add_listener(remember)  # type: ignore[no-untyped-call]
events.quitting.add_listener(tell)  # type: ignore[no-untyped-call]

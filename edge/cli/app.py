"""The `edge` command: every word it understands.

Each word lives in a module of its own beside this one and is imported only when
it is used, so `edge status` does not pay for the WAF.
"""

import sys

import cyclopts

from edge.common.errors import ConfigError, EdgeError

WORDS = {
    # word -> (where it lives, what it is for)
    "up": ("edge.cli.up:up", "start everything in the foreground; Ctrl-C ends it"),
    "status": ("edge.cli.status:app", "every process: tier, POP, pid, state, load"),
    "trace": ("edge.cli.trace:app", "one request as the phone: every hop, every decision, the times add up"),
    "explain": (
        "edge.cli.explain:app",
        "why? a trace as prose, a request, a flow or a drain before it happens",
    ),
    "dig": ("edge.cli.dig:app", "ask our DNS, and hear why it chose this POP"),
    "top": ("edge.cli.top:app", "rates, errors and percentiles, live"),
    "logs": ("edge.cli.logs:app", "the access log of every worker as one list; -f follows"),
    "load": ("edge.cli.load:app", "Locust's phones against the running edge, with a report"),
    "lab": ("edge.cli.lab:app", "experiments: predict, run, compare"),
    "drill": ("edge.cli.drill:app", "find the hidden fault"),
    "tour": ("edge.cli.tour:app", "keep the guided tour true"),
    "drain": ("edge.cli.operate:drain", "no new work for a process, a service, a tier or a POP"),
    "undrain": ("edge.cli.operate:undrain", "full share of new work again"),
    "weight": ("edge.cli.operate:weight", "a share of new work, in percent"),
    "deploy": ("edge.cli.operate:deploy", "restart one after the other, losing nothing"),
    "scale": ("edge.cli.scale:scale", "more or fewer processes of a service, or workers of a POP"),
    "reload": ("edge.cli.operate:reload", "give edge.toml to every running process"),
    "kill": ("edge.cli.operate:kill", "SIGKILL, to see what it costs"),
    "fault": ("edge.cli.fault:app", "add latency, errors, resets ... anywhere; every fault ends by itself"),
    "reload-certificates": ("edge.cli.renew:reload_certificates", "read run/keys again, losing nobody"),
    "issue-caller": ("edge.cli.renew:issue_caller", "a client certificate for an internal caller"),
    "rotate-keys": ("edge.cli.renew:rotate_keys", "sign new sessions with a new key"),
    "revoke": ("edge.cli.renew:revoke", "end one session, now and everywhere"),
    "purge": ("edge.cli.renew:purge", "forget cached responses under a path"),
    "ban": ("edge.cli.operate:ban", "refuse a network at every L4, for a while; alone, list who is refused"),
    "unban": ("edge.cli.operate:unban", "forgive a network, or everybody"),
    "waf": ("edge.cli.waf:app", "test, lint, explain, tune and replay the firewall"),
    "l4": ("edge.cli.l4:app", "the distributor alone, as a load balancer for anything"),
    "metrics": ("edge.cli.metrics:app", "every counter, as Prometheus reads it"),
    "config": ("edge.cli.config:app", "check edge.toml, or show where each value came from"),
    "doctor": ("edge.cli.doctor:app", "what on this machine is in the way?"),
}


def build(words: dict[str, tuple[str, str]] = WORDS) -> cyclopts.App:
    """The command line, each word bound to its module by name."""
    app = cyclopts.App(
        name="edge",
        help="A small, real edge stack to study: from the phone to the feed.",
        version="0.1.0",
    )
    for word, (place, purpose) in words.items():
        app.command(place, name=word, help=purpose, sort_key=list(words).index(word))
    return app


def main() -> None:
    """Run the command line; exits 2 on bad input, 1 where the edge says no."""
    try:
        build()()
    except ConfigError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)
        sys.exit(2)
    except EdgeError as error:
        print(f"edge: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # `edge ... | head`: the reader has seen enough.
        sys.stderr.close()
        sys.exit(0)

"""The `edge` command: every word it understands.

Each word lives in a module of its own beside this one and is imported only when
it is used, so `edge status` does not pay for the WAF.
"""

import sys

import cyclopts

from edge.common.errors import ConfigError, EdgeError

WORDS = {
    # word -> (module, attribute)
    "up": ("edge.cli.up", "up"),
    "doctor": ("edge.cli.doctor", "app"),
    "status": ("edge.cli.status", "app"),
    "top": ("edge.cli.top", "app"),
    "trace": ("edge.cli.trace", "app"),
    "explain": ("edge.cli.explain", "app"),
    "dig": ("edge.cli.dig", "app"),
    "config": ("edge.cli.config", "app"),
    "drain": ("edge.cli.operate", "drain"),
    "undrain": ("edge.cli.operate", "undrain"),
    "weight": ("edge.cli.operate", "weight"),
    "kill": ("edge.cli.operate", "kill"),
    "deploy": ("edge.cli.operate", "deploy"),
    "reload": ("edge.cli.operate", "reload"),
    "ban": ("edge.cli.operate", "ban"),
    "unban": ("edge.cli.operate", "unban"),
    "fault": ("edge.cli.fault", "app"),
    "lab": ("edge.cli.lab", "app"),
    "drill": ("edge.cli.drill", "app"),
    "metrics": ("edge.cli.metrics", "app"),
    "tour": ("edge.cli.tour", "app"),
    "load": ("edge.cli.load", "app"),
    "l4": ("edge.cli.l4", "app"),
    "waf": ("edge.cli.waf", "app"),
}


def build(words: dict[str, tuple[str, str]] = WORDS) -> cyclopts.App:
    """The command line, each word bound to its module by name."""
    app = cyclopts.App(
        name="edge",
        help="A small, real edge stack to study: from the phone to the feed.",
        version="0.1.0",
    )
    for word, (module, attribute) in words.items():
        app.command(f"{module}:{attribute}", name=word)
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

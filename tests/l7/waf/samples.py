"""Requests and rule sets that several tests use."""

from functools import cache

from edge.l7.waf.inspector import Inspector
from edge.l7.waf.load import load_ruleset
from edge.l7.waf.native import parse_native, verdict_rules
from edge.l7.waf.problem import Problems
from edge.l7.waf.request import WafRequest
from edge.l7.waf.ruleset import RuleSet, Settings, assemble
from edge.l7.waf.seclang import SecLang

BROWSER = (
    (b"host", b"i.edge.test"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (b"accept", b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"cookie", b"edge_session=eyJhbGciOiJFZERTQSJ9.e30.c2ln; theme=dark"),
)


def get(target: bytes, headers: tuple[tuple[bytes, bytes], ...] = BROWSER) -> WafRequest:
    """A GET of a browser."""
    return WafRequest("203.0.113.9", "GET", target, "HTTP/1.1", headers)


def post(body: bytes, kind: bytes = b"application/x-www-form-urlencoded") -> WafRequest:
    """The head of a POST with this body."""
    about = ((b"content-type", kind), (b"content-length", b"%d" % len(body)))
    return WafRequest("203.0.113.9", "POST", b"/post", "HTTP/1.1", BROWSER + about)


def seclang(text: str, settings: Settings | None = None, files: dict[str, bytes] | None = None) -> RuleSet:
    """Rules from SecLang text.  Raises what a load would raise."""
    problems = Problems()

    def read(name: str) -> bytes:
        if files is None or name not in files:
            raise FileNotFoundError(2, "No such file or directory")
        return files[name]

    statements = SecLang(problems).parse(text.encode(), "test.conf", read, lambda name, place, is_needed: [])
    return assemble(statements, settings or Settings(), problems)


def native(text: str, settings: Settings | None = None) -> RuleSet:
    """Rules from native text, with the verdict rule."""
    problems = Problems()
    chosen = settings or Settings()
    statements = parse_native(text.encode(), "test.toml", lambda name: b"", chosen, problems)
    return assemble(statements + verdict_rules(chosen), chosen, problems)


@cache
def embedded() -> RuleSet:
    """The rules that come with the edge."""
    return load_ruleset()


@cache
def embedded_inspector() -> Inspector:
    """One inspector of them; building its matchers takes a while."""
    return Inspector(embedded())

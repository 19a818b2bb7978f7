"""What fits its types and makes no sense all the same."""

import pytest

from edge.common.config_check import check
from edge.common.config_file import parse
from edge.common.errors import ConfigError

POP = """
[[pop]]
name = "mumbai"
address = "127.0.1.1"
place = { north = 19, east = 73 }
"""
GOOD = """
[[limit]]
name = "source"
key = "source"
rate-per-s = 1
burst = 1
[[service]]
name = "feed"
port = 7110
[[cluster]]
name = "feed"
service = "feed"
[[route]]
path = "/feed/"
cluster = "feed"
limits = ["source"]
"""


def problems_of(text: str) -> list[str]:
    try:
        parse(text, "edge.toml", {})
    except ConfigError as error:
        return error.problems
    return []


def test_a_sensible_configuration_has_no_problem() -> None:
    """The starting point of every other test here."""
    assert problems_of(POP + GOOD) == []
    assert check(parse(POP + GOOD, "edge.toml", {}).config) == []


CASES = [
    (
        POP + GOOD + '[[route]]\npath = "/x"\ncluster = "feed"\nquery = { page = "~[0-9" }\n',
        "RE2 cannot compile",
    ),
    (
        POP + GOOD.replace('service = "feed"\n[[route]]', 'service = "feed"\nhash-on = "cookie"\n[[route]]'),
        '"cookie" is none of source, account, path, cookie:NAME and header:NAME',
    ),
    ("", "no POP is enabled"),
    (POP + "enabled = false\n", "no POP is enabled"),
    (POP + POP.replace("127.0.1.1", "127.0.1.2"), '"mumbai" is taken by an earlier pop'),
    (POP + "l4 = 0\n", "needs at least one process"),
    (POP + POP.replace('"mumbai"', '"b"'), "127.0.1.1:8443 is already the address of mumbai's HTTPS"),
    (POP.replace("127.0.1.1", "0.0.0.0"), "is no address of one POP"),
    (POP.replace("127.0.1.1", "8.8.8.8"), "is a public address"),
    (POP.replace("127.0.1.1", "mumbai"), "is not an IP address"),
    ("http-port = 8443" + POP, "is already the address of mumbai's HTTPS"),
    ('domain = "edge"' + POP, "is not a host name"),
    ('console = "9000"' + POP, 'is not "host:port"'),
    ('console = "127.0.0.1:5300"' + POP, "is already the address of the DNS"),
    (POP + '[auth]\ncookie = "a b"\n', "cannot be a cookie's name"),
    (POP + "[l7]\ndrain-s = 30\n", "is too long"),
    (POP + '[l4]\nproxy-from = ["10.0.0.0/8"]\n', "handoff reads no byte"),
    (POP + '[l4]\nengine = "relay"\nproxy-from = ["10.0.0.0/99"]\n', "is not a network"),
    (POP + '[l7]\nrelay-listen = "0.0.0.0"\n', "no address that an L4 could connect to"),
    (POP + '[l7]\nrelay-listen = "somewhere"\n', "is not an IP address"),
    (POP + '[l7]\nrelay-from = ["127.0.0.300"]\n', "is not a network"),
    (POP + '[l4.admission]\nallow = ["10.0.0.1/8"]\n', "is not a network"),
    (POP + '[dns]\ncities = { jaipr = "10.0.0.0/8" }\n', 'did you mean "jaipur"?'),
    (POP + '[[cluster]]\nname = "a"\n', "needs either service"),
    (POP + '[[cluster]]\nname = "a"\nservice = "feed"\n', 'no [[service]] is called "feed"'),
    (POP + '[[cluster]]\nname = "a"\nendpoints = ["here"]\n', 'is not "host:port"'),
    (POP + '[[cluster]]\nname = "a"\nendpoints = ["h:1"]\ntimeout-s = 1\n', "longer than timeout-s"),
    (POP + GOOD + '[[route]]\npath = "/feed/"\ncluster = "feed"\n', "would never be used"),
    (POP + GOOD + '[[route]]\npath = "/x"\ncluster = "fed"\n', 'did you mean "feed"?'),
    (POP + GOOD + '[[route]]\npath = "/x"\ncluster = "feed"\nlimits = ["sauce"]\n', 'did you mean "source"?'),
    (POP + GOOD + '[[route]]\npath = "/x"\n', "needs exactly one of cluster"),
    (POP + GOOD + '[[route]]\npath = "x"\ncluster = "feed"\n', 'has to begin with "/"'),
    (POP + GOOD + '[[route]]\npath = "/*/x"\ncluster = "feed"\n', "at the end only"),
    (POP + GOOD + '[[route]]\nregex = "(?=x)"\ncluster = "feed"\n', "RE2 cannot compile"),
    (POP + GOOD + '[[route]]\npath = "/x"\nregex = "x"\ncluster = "feed"\n', "one of them decides"),
    (POP + GOOD + '[[route]]\npath = "/x"\ncluster = "feed"\nmethod = ["get"]\n', "is not a method"),
    (POP + GOOD + '[[route]]\npath = "/x"\nrespond-status = 99\n', "is not a status"),
    (POP + GOOD + '[[route]]\npath = "/x"\nsplit = { feed = 0 }\n', "above 0"),
    (POP + GOOD + '[[route]]\npath = "/x"\ncluster = "feed"\ncache = true\nauth = "required"\n', "cached"),
    (
        POP + GOOD + '[[route]]\npath = "/x"\ncluster = "feed"\nset-request-headers = { "a b" = "c" }\n',
        "is not a header",
    ),
    (POP + '[[service]]\nname = "a"\nport = 65535\ninstances = 2\n', "would need port 65536"),
    (
        POP + '[[service]]\nname = "a"\nport = 7000\ninstances = 2\n[[service]]\nname = "b"\nport = 7001\n',
        "127.0.0.1:7001 is already the address of a-2",
    ),
    (POP + '[[experiment]]\nname = "a"\nvariants = {}\n', "above 0"),
    (
        POP + '[[limit]]\nname = "a"\nkey = "source"\nrate-per-s = 1\nburst = 0\n',
        "would refuse every request",
    ),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_each_kind_of_nonsense_is_named(text: str, expected: str) -> None:
    """Found before anything starts, instead of as a 503 an hour later."""
    problems = problems_of(text)

    assert any(expected in problem for problem in problems), problems
    assert len(problems) <= 2, "one mistake, one complaint (two listeners of a POP may clash at once)"

"""Requests for Hypothesis: good ones, and what becomes of them in bad hands."""

from hypothesis import strategies as st

METHODS = st.sampled_from(
    [b"GET", b"HEAD", b"POST", b"OPTIONS", b"PUT", b"get", b"M-SEARCH", b"TRACE", b"CONNECT"]
)
TARGETS = st.one_of(
    st.sampled_from(
        [b"/", b"/a", b"/a?b=c", b"*", b"http://h/", b"http://h?x", b"h:1", b"/%2e", b"//", b"/a#b"]
    ),
    st.binary(min_size=0, max_size=12).map(lambda raw: b"/" + raw),
)
VERSIONS = st.sampled_from([b"HTTP/1.1"] * 8 + [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b""])
FIELD = st.one_of(
    st.sampled_from(
        [
            b"Host: a.test",
            b"host: a.test:1",
            b"HOST: b",
            b"Host:",
            b"Connection: close",
            b"Connection: keep-alive",
            b"Connection: x-a, upgrade",
            b"Connection: Close , x-a",
            b"Upgrade: websocket",
            b"Content-Length: 0",
            b"Content-Length: 5",
            b"Transfer-Encoding: chunked",
            b"Expect: 100-continue",
            b"Cookie: a=b; c=d",
            b"X-A: b",
            b"X-A:\tb ",
            b"x-a:",
            b"X_Forwarded_For: 1",
            b"X-Forwarded-For: 1.2.3.4",
            b"Edge-Account: 7",
            b"edge-trace: 1",
            b"traceparent: 00-%032x-%016x-03" % (1, 2),
            b"traceparent: nonsense",
            b"tracestate: a=b",
            b"tracestate: c=d",
            b"TE: trailers",
            b"Proxy: x",
            b" folded",
            b"X A: b",
            b"X-A : b",
            b"X-\xe4: b",
            b"X-A: \xe4",
            b"",
        ]
    ),
    st.tuples(st.binary(max_size=6), st.binary(max_size=8)).map(b": ".join),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A head put together from likely and unlikely parts; often with a Host, so that much of it is good."""
    line = b" ".join((draw(METHODS), draw(TARGETS), draw(VERSIONS)))
    lines = draw(st.lists(FIELD, max_size=6))
    if draw(st.integers(0, 3)):
        lines.insert(draw(st.integers(0, len(lines))), b"Host: a.test")
    return b"\r\n".join([line, *lines]) + b"\r\n\r\n"


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A request with a few bytes put in, taken out or replaced."""
    data = bytearray(draw(requests()))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        what = draw(
            st.sampled_from(
                [
                    b"",
                    b"\r",
                    b"\n",
                    b"\r\n",
                    b"\x00",
                    b" ",
                    b"\t",
                    b":",
                    b"\x0b",
                    b"\x7f",
                    b"\xff",
                    b"#",
                    b",",
                ]
            )
        )
        data[at : at + draw(st.integers(0, 2))] = what
    return bytes(data)

"""A request on which no rule speaks is not walked, and none that speaks is missed."""

from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf import program
from edge.l7.waf.inspector import Inspector
from edge.l7.waf.request import PASS, WafRequest
from tests.kit.effort import examples
from tests.l7.waf.samples import seclang

# Rules that no matcher finds: negated, counting, comparing, steering others, and chains of all of these.
RULES = seclang(
    'SecRule REQBODY_PROCESSOR "!@rx JSON" "id:1,phase:1,pass,nolog,ctl:forceRequestBodyVariable=On"\n'
    'SecRule REQUEST_FILENAME "!@validateByteRange 47,97-122" '
    '"id:2,phase:1,pass,nolog,ctl:ruleRemoveTargetById=3;ARGS:a"\n'
    'SecRule ARGS "!@within one two" "id:3,phase:1,pass,log"\n'
    'SecRule REQUEST_LINE "!@rx ^GET /" "id:4,phase:1,pass,log"\n'
    'SecRule REMOTE_ADDR "@ipMatch 127.0.0.1" "id:5,phase:1,pass,log,chain"\n'
    'SecRule REQUEST_HEADERS:x "@endsWith evil" "chain"\nSecRule REQUEST_LINE "@contains q" ""\n'
    'SecRule REMOTE_ADDR "@ipMatch 127.0.0.1" "id:6,phase:1,pass,log,setvar:tx.seen=1,chain"\n'
    'SecRule REQUEST_HEADERS:x "@streq never" ""\n'
    'SecRule TX:seen "@eq 1" "id:7,phase:2,pass,log,chain"\nSecRule ARGS_NAMES "@streq b"\n'
    'SecRule &ARGS "@gt 2" "id:8,phase:2,pass,log"\n'
    'SecRule &MULTIPART_PART_HEADERS "@eq 0" "id:9,phase:2,pass,log,chain"\n'
    'SecRule REQUEST_METHOD "@streq PUT"\n'
    'SecRule REQUEST_BODY_LENGTH "@gt 3" "id:10,phase:2,pass,log"\n'
    'SecRule REQUEST_COOKIES:c "!@rx ^[a-z]*$" "id:11,phase:2,pass,log,capture,setvar:tx.seen=1"\n'
    'SecRule &REQUEST_HEADERS:Host "@eq 0" "id:12,phase:2,pass,log"\n'
)
PAIRS = ("a=one", "a=three", "b=two", "b=evil", "q=one+two")
HEAD = st.builds(
    WafRequest,
    st.sampled_from(["127.0.0.1", "203.0.113.9"]),
    st.sampled_from(["GET", "GET", "PUT"]),
    st.tuples(st.sampled_from(["/", "/feed", "/A1"]), st.lists(st.sampled_from(PAIRS), max_size=3)).map(
        lambda parts: f"{parts[0]}?{'&'.join(parts[1])}".encode()
    ),
    st.just("HTTP/1.1"),
    st.lists(
        st.sampled_from(
            [(b"host", b"h"), (b"x", b"so evil"), (b"x", b"fine"), (b"cookie", b"c=abc"), (b"cookie", b"c=1")]
        ),
        max_size=3,
    ).map(tuple),
)


@settings(max_examples=examples(3000), deadline=None)
@given(HEAD, st.sampled_from([None, None, b"", b"a=one", b"a=three&b=4"]))
def test_both_programs_say_the_same_about_rules_that_are_always_walked(
    head: WafRequest, body: bytes | None
) -> None:
    """With a body, what steers the others counts; without one, most of it is known with the headers."""
    one, other = (
        engine.inspect_head(head, 0.0) if body is None else engine.inspect_body(head, body, 0.0)
        for engine in (FAST, NAIVE)
    )

    assert [match.id for match in one.matches] == [match.id for match in other.matches]
    assert one.action == other.action


FAST, NAIVE = Inspector(RULES), Inspector(RULES, naive=True)


def test_a_request_on_which_nobody_speaks_is_not_walked() -> None:
    """The walk costs more than asking everybody once; nearly all requests are like this one."""
    rules = seclang(
        'SecRule REQUEST_LINE "!@rx ^GET /" "id:1,phase:1,deny"\n'
        'SecRule REQUEST_FILENAME "!@rx ^$" "id:2,phase:1,pass,nolog,ctl:ruleRemoveTargetById=1;ARGS"\n'
    )
    engine = Inspector(rules)
    head = WafRequest("203.0.113.9", "GET", b"/feed?page=1", "HTTP/1.1", ((b"host", b"h"),))

    with patch.object(program, "walk", side_effect=AssertionError("walked")):
        assert engine.inspect_head(head, 0.0) is PASS

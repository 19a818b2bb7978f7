"""Reading bodies as the application will, or not at all."""

from collections import Counter
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.l7.waf.bodies import ARGUMENTS_MAX, processor_for, read_body, urlencoded
from tests.kit.effort import examples

FORM = b"multipart/form-data; boundary=XX"
FIELD = b'Content-Disposition: form-data; name="a"'


def part(headers: bytes, content: bytes = b"hello") -> bytes:
    return b"--XX\r\n" + headers + b"\r\n\r\n" + content + b"\r\n--XX--\r\n"


@pytest.mark.parametrize("kind", [b"", b"text/plain", b"application/x-unheard-of", b"application/ld+yaml"])
def test_a_body_of_no_known_kind_is_one_value(kind: bytes) -> None:
    """Many applications read JSON whatever the type says; what they read was looked at."""
    read = read_body(processor_for(kind), kind, b'{"q": "<script>"}')

    assert read.arguments == [(b"body", b'{"q": "<script>"}')]


def test_a_form_is_decoded_once() -> None:
    """Twice would see attacks that the application never sees."""
    assert urlencoded(b"a=1&b=%2541+c&&d") == [(b"a", b"1"), (b"b", b"%41 c"), (b"d", b"")]


def test_arguments_past_the_limit_are_still_seen_as_one_value() -> None:
    """Otherwise the attack goes into argument 1,001."""
    pairs = urlencoded(b"&".join([b"a=1"] * ARGUMENTS_MAX) + b"&z=<script>&y=2")

    assert len(pairs) == ARGUMENTS_MAX + 1
    assert b"<script>" in pairs[-1][1]


def test_json_leaves_become_arguments_with_their_path() -> None:
    """Names are part of what a rule can exclude."""
    body = read_body("JSON", b"", b'{"a": {"b": ["x", 7, true, null]}}')

    assert body.error == ""
    assert body.arguments == [
        (b"json.a.b.0", b"x"),
        (b"json.a.b.1", b"7"),
        (b"json.a.b.2", b"true"),
        (b"json.a.b.3", b""),
    ]


@pytest.mark.parametrize(
    ("processor", "kind", "body"),
    [
        ("JSON", b"", b'{"a": 1, "a": 2}'),
        ("JSON", b"", b"[" * 200 + b"]" * 200),
        ("JSON", b"", b'{"a": NaN}'),
        ("JSON", b"", b'{"a": '),
        ("JSON", b"", b'"\xff"'),
        ("XML", b"", b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'),
        ("XML", b"", b"<a><b></a>"),
        ("XML", b"", b"<a>" * 100 + b"</a>" * 100),
        ("MULTIPART", b"multipart/form-data", b"--XX--"),
        ("MULTIPART", b"multipart/form-data; boundary=a; boundary=b", b"--a--"),
        ("MULTIPART", FORM, b"no boundary at all"),
        ("MULTIPART", FORM, part(b"Content-Type: text/plain")),
        ("MULTIPART", FORM, part(b'Content-Disposition: form-data; name="a"; name="b"')),
        (
            "MULTIPART",
            FORM,
            part(b'Content-Disposition: form-data; name="a"\r\nContent-Disposition: form-data; name="b"'),
        ),
        ("MULTIPART", FORM, part(b'Content-Disposition: form-data; name="a"').removesuffix(b"--XX--\r\n")),
        ("MULTIPART", FORM, part(b'Content-Disposition: form-data; name="a"') + b"more"),
        ("MULTIPART", FORM, part(FIELD + b"; filename=\"me.png\"; filename*=UTF-8''shell.php")),
        # A program that does not know this spelling takes the part for a field.
        ("MULTIPART", FORM, part(FIELD + b"; filename*=UTF-8''me.png", b"<script>")),
        ("MULTIPART", FORM, part(FIELD + b"; name*=UTF-8''b")),
        ("MULTIPART", FORM, part(FIELD + b"\r\nContent-Transfer-Encoding: base64", b"PHNjcmlwdD4=")),
        (
            "MULTIPART",
            FORM,
            part(FIELD + b"\r\nContent-Type: text/plain; charset=utf-7", b"+ADw-script+AD4-"),
        ),
        ("MULTIPART", FORM, part(b'Content-Disposition: form-data; name="_charset_"', b"utf-16")),
        ("JSON", b"", b'\xef\xbb\xbf{"a": 1}'),
        ("JSON", b"", b'{"a": 1, "\\u0061": 2}'),
        ("JSON", b"", b'{"a": 1} {"a": 2}'),
        ("XML", b"", b'<?xml version="1.0" encoding="utf-7"?><a>+ADw-</a>'),
    ],
)
def test_a_body_that_two_readers_could_read_in_two_ways_is_an_error(
    processor: str, kind: bytes, body: bytes
) -> None:
    """The difference between two readings is where attacks hide."""
    assert read_body(processor, kind, body).error


def test_a_file_and_a_field_are_told_apart() -> None:
    """File contents are bytes for the service; their names are text for the rules."""
    body = part(
        b'Content-Disposition: form-data; name="up"; filename="me.png"\r\nContent-Type: image/png', b"\x89PNG"
    )

    read = read_body("MULTIPART", FORM, body)

    assert (read.error, read.arguments, read.files) == ("", [], [(b"up", b"me.png", 4)])
    assert (b"up", b"Content-Type: image/png") in read.part_headers


def test_a_file_without_a_name_is_a_field_as_well() -> None:
    """Programs disagree about `filename=""`; its content is looked at."""
    read = read_body("MULTIPART", FORM, part(FIELD + b'; filename=""', b"<script>"))

    assert read.arguments == [(b"a", b"<script>")]
    assert len(read.files) == 1


PIECES = [
    b"--XX", b"--XX--", b"--XX\t", b"--XXY", b"\r\n", b"\r\n\r\n", b"\n", b"\r", b": ", FIELD,
    b"; name=b", b'; name="c\\"d"', b"; filename=x", b"; filename*=a''b", b"Content-Type: text/plain",
    b" folded", b"hello", b"<script>", b'"', b";", b"\0",
]  # fmt: skip


@settings(max_examples=examples(1500), deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map(b"".join))
def test_what_we_read_without_complaint_is_what_another_parser_reads(middle: bytes) -> None:
    """The standard library's mail parser stands for the application."""
    body = b"--XX\r\n" + FIELD + b"\r\n\r\nfirst\r\n--XX\r\n" + middle + b"\r\n--XX--\r\n"

    read = read_body("MULTIPART", FORM, body)

    if not read.error:
        message = BytesParser(policy=policy.HTTP).parsebytes(b"Content-Type: " + FORM + b"\r\n\r\n" + body)
        theirs = [
            (part.get_param("name", header="content-disposition"), part.get_payload(decode=True))
            for part in message.iter_parts()
        ]
        ours = [(name.decode(), content) for name, content in read.arguments]
        fields = {name for name, _, _ in read.files}
        assert [pair for pair in theirs if str(pair[0]).encode() not in fields] == [
            pair for pair in ours if pair[0].encode() not in fields
        ]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=examples(500), deadline=None)
@given(JSON_VALUES)
def test_every_string_of_a_json_body_is_seen(value: object) -> None:
    """Another reader's strings are all among our arguments, in order."""

    def strings(item: object) -> Iterator[bytes]:
        if isinstance(item, str):
            yield item.encode()
        for member in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
            yield from strings(member)

    body = orjson.dumps(value)
    read = read_body("JSON", b"", body)

    assert read.error == ""
    assert Counter(strings(orjson.loads(body))) <= Counter(text for _, text in read.arguments)


def test_xml_text_and_attributes_are_seen() -> None:
    """Both reach the application."""
    read = read_body("XML", b"", b'<a x="1"><b y="2">hi</b> there</a>')

    assert (read.xml_text, read.xml_attributes, read.error) == (b"hi there", [b"1", b"2"], "")


@pytest.mark.parametrize(
    ("kind", "processor"),
    [
        (b"application/x-www-form-urlencoded; charset=utf-8", "URLENCODED"),
        (b"application/problem+json", "JSON"),
        (b"application/soap+xml", "XML"),
        (b"image/png", ""),
    ],
)
def test_the_content_type_chooses_the_reader(kind: bytes, processor: str) -> None:
    """By the type alone, never by sniffing."""
    assert processor_for(kind) == processor


@given(st.sampled_from(["JSON", "XML", "MULTIPART", "URLENCODED"]), st.binary(max_size=300))
def test_no_body_makes_a_reader_fail(processor: str, body: bytes) -> None:
    """An exception here would be a request without a verdict.  Rules get no more than came."""
    for sent in (b"--XX" + body, body):
        read = read_body(processor, FORM, sent)
        assert all(isinstance(part, bytes) for pair in read.arguments for part in pair)
        assert sum(len(value) for _, value in read.arguments) <= 3 * len(sent) + 8, "nothing is multiplied"


def test_a_string_without_an_end_is_read_once() -> None:
    """Looked for again from each of its quotes, 128 kB of them would hold the interpreter for a minute."""
    body = b"[" * 65 + b'"' + b'\\"' * 60_000

    assert read_body("JSON", b"application/json", body).error


def test_json_values_come_in_the_order_in_which_they_stand() -> None:
    """Named by their path, as rules and exclusions spell them."""
    body = b'{"a": [1, {"b": "x"}, "y", true, null], "c": {"d": 2.50}, "e": "z"}'

    assert read_body("JSON", b"application/json", body).arguments == [
        (b"json.a.0", b"1"), (b"json.a.1.b", b"x"), (b"json.a.2", b"y"), (b"json.a.3", b"true"),
        (b"json.a.4", b""), (b"json.c.d", b"2.50"), (b"json.e", b"z"),
    ]  # fmt: skip

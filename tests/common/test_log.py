"""One event, one line."""

import io
import json

from edge.common.log import Log


def test_json_has_opentelemetrys_names() -> None:
    """A collector reads it without a mapping."""
    out = io.StringIO()
    Log("edge-l4", "l4-mumbai-a", "json", out).warning("worker.lost", worker="l7-1", error=ValueError("x"))

    line = json.loads(out.getvalue())

    assert line["severity_text"] == "WARN"
    assert line["service.instance.id"] == "l4-mumbai-a"
    assert (line["event.name"], line["worker"], line["error"]) == ("worker.lost", "l7-1", "ValueError('x')")
    assert line["timestamp"].endswith("Z")


def test_text_lets_no_control_byte_reach_a_terminal() -> None:
    """A phone can put an escape sequence into a header that ends up in a log line."""
    out = io.StringIO()
    Log("edge-l7", "l7-1", "text", out).info("phone.odd", said="\x1b[2Jcleared\n")

    assert out.getvalue() == "l7-1             phone.odd said='\\x1b[2Jcleared\\n'\n"


def test_a_reader_that_is_gone_stops_nothing() -> None:
    """honcho may be killed; the edge serves on."""
    out = io.StringIO()
    out.close()

    Log("edge-l7", "l7-1", "text", out).info("process.start")

    assert out.closed

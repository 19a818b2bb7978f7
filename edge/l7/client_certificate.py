"""Who is calling, by the certificate that came with the handshake?  [I/O]

`ask` makes contexts ask for one, or stop asking; `caller_of` reads the name out of
what OpenSSL has verified.  Which routes need a name is `edge.l7.stages.caller`'s
question.

An authority that was replaced is trusted in addition to the old one until the
tier is restarted: contexts cannot forget, and tickets bind us to theirs.
"""

import re
import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

# It becomes a header's value and a log's field.
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def ask(contexts: Iterable[ssl.SSLContext], authority: Path, *, wanted: bool) -> None:
    """Ask phones for a certificate that `authority` signed, from the next handshake on.

    One is optional in any case: most routes do without.  Raises `OSError` where the
    authority is missing or no certificate.
    """
    for context in contexts:
        if wanted:
            context.load_verify_locations(authority)
        context.verify_mode = ssl.CERT_OPTIONAL if wanted else ssl.CERT_NONE


def caller_of(certificate: Any, unix_now: float) -> str:
    """The name that the phone has proven by `certificate`, "" where it showed none."""
    return name_of(certificate, unix_now) if certificate else ""


def name_of(certificate: Any, unix_now: float) -> str:
    """Whom a verified `certificate` (as `getpeercert` gives it) names; "" for nobody.

    A resumed handshake does not look at the certificate again, so its end is judged here.
    """
    pairs = [pair for relative in certificate.get("subject", ()) for pair in relative]
    names = [value for kind, value in pairs if kind == "commonName"]
    if len(names) != 1 or not NAME.fullmatch(names[0]):
        return ""
    return "" if ssl.cert_time_to_seconds(certificate["notAfter"]) < unix_now else str(names[0])

"""Who may join the control channel from another host?  [I/O]

Whoever holds a certificate for the control channel, signed by this edge's CA:
mutual TLS 1.3.  The POPs' server certificate does not do (it may not be used by
clients), so a stolen L7 key opens no control link.
"""

import ssl
from pathlib import Path

# In the certificate of every control peer, and what a link checks the hub's for.
CONTROL_NAME = "control.edge.test"


def hub_context(run_dir: Path) -> ssl.SSLContext:
    """The hub's side.  Raises `OSError` where the keys are missing."""
    return _context(run_dir, ssl.PROTOCOL_TLS_SERVER)


def link_context(run_dir: Path) -> ssl.SSLContext:
    """A process's side.  Raises `OSError` where the keys are missing."""
    return _context(run_dir, ssl.PROTOCOL_TLS_CLIENT)


def _context(run_dir: Path, protocol: int) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3  # both ends are ours
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(run_dir / "ca.pem")
    context.load_cert_chain(run_dir / "keys" / "control.pem", run_dir / "keys" / "control.key")
    return context

"""Words that renew or withdraw what the edge trusts or keeps: keys, sessions, copies.  [I/O]

Each is carried out by every L7 worker, over the control channel, and without a
restart or a lost connection.
"""

import os
import time
from pathlib import Path
from typing import Annotated

import cyclopts

from edge.cli.hub import CommandRefused, command, run_dir_from_environment
from edge.common.revoked import add_revoked
from edge.supervise.keys import make_session_key

# A rotation keeps this many public keys: the one that signs now, and the one before it, with
# which sessions that are still good were signed.
SESSION_KEYS_KEPT = 2


def reload_certificates() -> None:
    """Have every L7 worker read certificates and public session keys again.

    Put `<name>.pem` and `<name>.key` into run/keys first, the key before the certificate.
    """
    print(command(run_dir_from_environment(), "l7", "reload-certificates"))


def rotate_keys() -> None:
    """Sign new sessions with a new key.

    Sessions of the key before it stay good until they expire; those of still older
    keys end now.
    """
    run_dir = run_dir_from_environment()
    keys = run_dir / "keys"
    known = _session_keys(keys)
    if not known:
        raise CommandRefused(f"there is no session key in {keys}; is EDGE_RUN_DIR right?")
    kid = known[-1] + 1
    # Made where nobody looks.  The public half goes first and login sees the private one only when
    # every worker knows it, or a new session would be refused for a moment.
    aside = keys / f".next-{os.getpid()}"
    aside.mkdir(mode=0o700)
    try:
        make_session_key(aside, str(kid))
        (aside / f"session-{kid}.pub.pem").rename(keys / f"session-{kid}.pub.pem")
        print(command(run_dir, "l7", "reload-certificates"))
        (aside / f"session-{kid}.pem").rename(keys / f"session-{kid}.pem")
    finally:
        for left in aside.iterdir():
            left.unlink()
        aside.rmdir()
    retired = known[: -SESSION_KEYS_KEPT + 1]
    for old in retired:
        (keys / f"session-{old}.pem").unlink(missing_ok=True)
        (keys / f"session-{old}.pub.pem").unlink(missing_ok=True)
    if retired:
        command(run_dir, "l7", "reload-certificates")
    print(f"login signs with key {kid}; ended with their keys: {', '.join(map(str, retired)) or 'none'}")


def revoke(
    jti: str,
    *,
    seconds: Annotated[float, cyclopts.Parameter(name=["--for", "--seconds"])] = 86_400.0,
) -> None:
    """End the session whose token has the id JTI, at every worker, now and after a restart.

    `--for`: how long its token would have been good; the default is the default of [auth].
    """
    run_dir = run_dir_from_environment()
    until_unix = time.time() + seconds
    # On disk first: a worker that starts in between reads it there.
    add_revoked(run_dir, jti, until_unix, time.time())
    print(command(run_dir, "l7", "revoke", jti=jti, until_unix=until_unix))


def purge(path: str, *, host: str = "") -> None:
    """Have every L7 worker forget the cached responses whose path begins with PATH."""
    print(command(run_dir_from_environment(), "l7", "purge", path=path, host=host))


def _session_keys(keys: Path) -> list[int]:
    names = (path.name.split(".")[0].removeprefix("session-") for path in keys.glob("session-*.pub.pem"))
    return sorted(int(name) for name in names if name.isdigit())

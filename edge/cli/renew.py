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
from edge.common.run_files import private_directory
from edge.l7.client_certificate import NAME as CALLER_NAME
from edge.supervise import keys

# A rotation keeps this many public keys: the one that signs now, and the one before it, with
# which sessions that are still good were signed.
SESSION_KEYS_KEPT = 2


def reload_certificates() -> None:
    """Have every L7 worker read certificates and public session keys again.

    Put `<name>.pem` and `<name>.key` into run/keys first, the key before the certificate.
    """
    print(command(run_dir_from_environment(), "l7", "reload-certificates"))


def issue_caller(
    name: str,
    *,
    out: Path | None = None,
    days: Annotated[int, cyclopts.Parameter(validator=cyclopts.validators.Number(gte=1, lte=825))] = 90,
) -> None:
    """Make a client certificate by which an internal caller proves that it is NAME.

    It opens the routes whose `callers` name it, at once and without a reload.  --out: where
    NAME.pem and NAME.key go; the default is callers/ in the run directory.
    """
    if not CALLER_NAME.fullmatch(name):
        raise CommandRefused(
            f"{name!r} is no name for a caller: letters, digits, '.', '_' and '-' (at most 64)"
        )
    run_dir = run_dir_from_environment()
    directory = private_directory(out or run_dir / "callers")
    try:
        pair = keys.issue_caller(run_dir, name, directory, days)
    except FileNotFoundError as error:
        raise CommandRefused(f"{error.filename} is not there; `edge up` makes it once") from error
    print(f"{pair.certificate} and {pair.key}: {name}, for {days} days")
    print(f"curl --cert {pair.certificate} --key {pair.key} --cacert {run_dir / 'ca.pem'} https://...")


def rotate_keys() -> None:
    """Sign new sessions with a new key.

    Sessions of the key before it stay good until they expire; those of still older
    keys end now.
    """
    run_dir = run_dir_from_environment()
    directory = run_dir / "keys"
    known = _session_keys(directory)
    if not known:
        raise CommandRefused(f"there is no session key in {directory}; is EDGE_RUN_DIR right?")
    kid = known[-1] + 1
    # Made where nobody looks.  The public half goes first and login sees the private one only when
    # every worker knows it, or a new session would be refused for a moment.
    aside = directory / f".next-{os.getpid()}"
    aside.mkdir(mode=0o700)
    try:
        keys.make_session_key(aside, str(kid))
        (aside / f"session-{kid}.pub.pem").rename(directory / f"session-{kid}.pub.pem")
        print(command(run_dir, "l7", "reload-certificates"))
        (aside / f"session-{kid}.pem").rename(directory / f"session-{kid}.pem")
    finally:
        for left in aside.iterdir():
            left.unlink()
        aside.rmdir()
    retired = known[: -SESSION_KEYS_KEPT + 1]
    for old in retired:
        (directory / f"session-{old}.pem").unlink(missing_ok=True)
        (directory / f"session-{old}.pub.pem").unlink(missing_ok=True)
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

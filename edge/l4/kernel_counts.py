"""What did the kernel refuse before we could see it?

A listener is shown only what survived: SYNs that found a full queue, handshakes
that were answered with a cookie, connections dropped on the way to accept() appear
in no log of ours.  The kernel counts them in /proc/net/netstat; they belong beside
our own counters, or a flood looks like silence.

The counts are of the whole network namespace, not of our sockets alone.
"""

WANTED = ("ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies", "SyncookiesSent")


def parse_netstat(text: str) -> dict[str, int]:
    """The wanted counters out of /proc/net/netstat; those this kernel does not have are absent.

    The file holds pairs of lines: names, then numbers, both behind the same prefix.
    """
    lines = text.splitlines()
    found: dict[str, int] = {}
    for names, numbers in zip(lines[::2], lines[1::2], strict=False):
        if names.startswith("TcpExt:") and numbers.startswith("TcpExt:"):
            pairs = zip(names.split()[1:], numbers.split()[1:], strict=False)
            found |= {name: int(number) for name, number in pairs if name in WANTED}
    return found

"""What the kernel refused before we could see it."""

from edge.l4.kernel_counts import WANTED, parse_netstat

# Shortened from Linux 6.1; the second pair of lines is another protocol's.
NETSTAT = """\
TcpExt: SyncookiesSent SyncookiesRecv ListenOverflows ListenDrops TCPReqQFullDoCookies TCPReqQFullDrop
TcpExt: 7 1 12 13 5 0
IpExt: InNoRoutes InTruncatedPkts
IpExt: 3 0
"""


def test_the_counters_of_a_flood_are_found() -> None:
    """Overflows and cookies are the only honest evidence of a SYN flood."""
    assert parse_netstat(NETSTAT) == {
        "SyncookiesSent": 7,
        "ListenOverflows": 12,
        "ListenDrops": 13,
        "TCPReqQFullDoCookies": 5,
        "TCPReqQFullDrop": 0,
    }


def test_a_kernel_that_counts_less_is_no_error() -> None:
    """Containers and other kernels show what they have."""
    assert parse_netstat("") == {}
    assert set(parse_netstat("TcpExt: ListenDrops Other\nTcpExt: 1 2\n")) < set(WANTED)

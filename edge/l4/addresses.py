"""Where does this endpoint listen, if it is reached by an address at all?"""


def host_and_port(address: str) -> tuple[str, int] | None:
    """`"127.0.0.1:53"` or `"[::1]:53"` as host and port; None for a path or anything else."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        return None
    return host.strip("[]"), int(port)

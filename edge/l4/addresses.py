"""How is an address written, and where does this endpoint listen if it has one at all?"""


def at(host: str, port: int) -> str:
    """Host and port in one word, `"127.0.0.1:53"` or `"[::1]:53"`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_and_port(address: str) -> tuple[str, int] | None:
    """`"127.0.0.1:53"` or `"[::1]:53"` as host and port; None for a path or anything else."""
    host, _, port = address.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        return None
    return host.strip("[]"), int(port)

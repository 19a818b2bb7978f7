"""Which pictures are kept ready?

The ones asked for last, as many as fit into `bytes_max`.  The edge has a cache of
its own in front; this one spares the work when two L7 workers ask for the same.
"""


class Shelf:
    """Bytes by key, the one idle for longest thrown away first."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._bytes = 0
        self._kept: dict[object, bytes] = {}  # insertion order is age

    def get(self, key: object) -> bytes | None:
        """What is kept under `key`."""
        data = self._kept.pop(key, None)
        if data is not None:
            self._kept[key] = data
        return data

    def put(self, key: object, data: bytes) -> None:
        """Keep `data`, unless it alone is too large."""
        self._bytes -= len(self._kept.pop(key, b""))
        if len(data) > self._bytes_max:
            return
        self._kept[key] = data
        self._bytes += len(data)
        while self._bytes > self._bytes_max:
            oldest = next(iter(self._kept))
            self._bytes -= len(self._kept.pop(oldest))

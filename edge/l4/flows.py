"""Which datagrams belong together, and until when?

UDP has no beginning and no end, so a flow is what comes from one address and
port with less than `idle_s` of silence (Katran's LRU and AWS's NLB: 30 s).  When
the table is full the flow that was silent for longest gives way: it costs that
flow nothing but a new socket, because by Maglev it goes to the same endpoint.

State: an ordered table, one entry a flow, at most `flows_max`.
"""

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

IDLE_S = 30.0
# Each flow holds a socket, and a process is commonly allowed 20,000 descriptors.
FLOWS_MAX = 4096

Handle = TypeVar("Handle")


class Flows(Generic[Handle]):
    """Flows by key, the longest silent first."""

    def __init__(self, flows_max: int = FLOWS_MAX, idle_s: float = IDLE_S) -> None:
        self._flows_max = flows_max
        self._idle_s = idle_s
        self._flows: OrderedDict[Hashable, tuple[Handle, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._flows)

    def find(self, key: Hashable, now: float) -> Handle | None:
        """The flow that a datagram belongs to; finding it is a sign of its life."""
        known = self._flows.get(key)
        if known is None:
            return None
        handle, seen_at = known
        if now - seen_at >= self._idle_s:
            return None  # `expire` has not come by yet; the flow is over all the same
        self._flows[key] = (handle, now)
        self._flows.move_to_end(key)
        return handle

    def add(self, key: Hashable, handle: Handle, now: float) -> list[Handle]:
        """Begin a flow; the handles of those that had to give way, for the caller to close."""
        given_up = []
        before = self._flows.pop(key, None)
        if before is not None:
            given_up.append(before[0])
        while len(self._flows) >= self._flows_max:
            given_up.append(self._flows.popitem(last=False)[1][0])
        self._flows[key] = (handle, now)
        return given_up

    def expire(self, now: float) -> list[Handle]:
        """End the flows that fell silent; their handles, for the caller to close."""
        ended = []
        while self._flows:
            key, (handle, seen_at) = next(iter(self._flows.items()))
            if now - seen_at < self._idle_s:
                break
            del self._flows[key]
            ended.append(handle)
        return ended

    def remove(self, key: Hashable) -> None:
        """End one flow; its handle is the caller's."""
        self._flows.pop(key, None)

    def handles(self) -> list[Handle]:
        """All of them, the longest silent first."""
        return [handle for handle, _ in self._flows.values()]

"""Which inspections does the loop do itself, and which another thread?  [I/O]

What is short is tried on the loop, in a hurry; what takes longer goes to one other thread, one at a time,
with a bounded queue in front.  Nobody passes because that thread is busy.
"""

import time
from contextlib import suppress
from typing import Final

import trio

from edge.l7.compose import Stages
from edge.l7.http1.reply_head import ReplyHead
from edge.l7.request import Request
from edge.l7.stages.waf import BUSY, DearHead
from edge.l7.verdict import Answer
from edge.l7.waf.matcher import TooDear
from edge.l7.waf.request import WafResponse

# A thread costs about 100 us and gives RE2, which lets go of the interpreter, the other core.  Ordinary forms
# and messages are inspected in less than that many microseconds; a longer body takes milliseconds.
INLINE_BODY_BYTES_MAX: Final = 6 * 1024
# The Core Rule Set's rules about answers take 0.3 ms a kB.
INLINE_ANSWER_BYTES_MAX: Final = 4 * 1024
# At 21 ms each, the budget of 8 kB, the last of these waits 1.3 s; more would wait for nothing.
WAITING_MAX: Final = 64
# How long the thread may keep the interpreter when the loop wants it.  The loop lets go of it at each system
# call, so with Python's own 5 ms it was late by several times that.
SWITCH_INTERVAL_S: Final = 0.0001


class Inspections:
    """The firewall's work in one worker."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages  # the stage in use changes with the configuration
        # One at a time: the inspector's memory then meets one thread beside the loop's, and whoever sends
        # what is dear waits for others of his kind and not everybody for him.
        self._thread = trio.CapacityLimiter(1)

    def bytes_wanted(self, request: Request) -> int:
        """How much of the body it wants to see before it is forwarded."""
        return self._stages.waf.bytes_wanted(request)

    async def head(self, dear: DearHead) -> None:
        """Find the verdict on a head that the loop gave up; none where too many wait already."""
        if not self._is_busy():
            await trio.to_thread.run_sync(dear.inspect, limiter=self._thread)

    async def body(self, request: Request) -> Answer | None:
        """The verdict on head and `request.body_prefix` together."""
        waf = self._stages.waf
        if len(request.body_prefix) <= INLINE_BODY_BYTES_MAX:
            with suppress(TooDear):
                verdict = waf.inspect_body(request, time.time(), hurried=True)
                return waf.answer_body(request, verdict, time.monotonic(), time.time())
        if self._is_busy():
            return BUSY
        verdict = await trio.to_thread.run_sync(
            waf.inspect_body_apart, request, time.time(), limiter=self._thread
        )
        return waf.answer_body(request, verdict, time.monotonic(), time.time())

    async def answer(self, request: Request, reply: ReplyHead, body: bytes) -> Answer | None:
        """What the phone gets instead of a service's answer, of which `body` is here; None: that."""
        waf = self._stages.waf
        answer = WafResponse(reply.status, "HTTP/1.1", reply.fields, body)
        if len(body) <= INLINE_ANSWER_BYTES_MAX:
            verdict = waf.inspect_answer(request, answer, time.time())
        elif self._is_busy():
            return BUSY
        else:
            verdict = await trio.to_thread.run_sync(
                waf.inspect_answer, request, answer, time.time(), limiter=self._thread
            )
        return waf.withhold(request, verdict, time.time())

    def _is_busy(self) -> bool:
        return self._thread.statistics().tasks_waiting >= WAITING_MAX

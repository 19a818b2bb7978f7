"""How far has this phone's TLS handshake come?  [I/O]

A handshake is two steps of OpenSSL's, with a round trip in between: the phone's hello
in, our answer out; its "finished" in, a ticket out.  The poller calls for each, so a
phone that takes its time, or never means to finish, costs an object and no task.
"""

import ssl
import time
from typing import TYPE_CHECKING

from edge.l7.client_certificate import caller_of
from edge.l7.poller import PARK, TAKEN
from edge.l7.tls import describe
from edge.l7.transport import HANDSHAKE, WRITE

if TYPE_CHECKING:
    from edge.l7.connection import PhoneConnection


class Handshake:
    """One phone's; it is forgotten when it is over."""

    __slots__ = ("_phone",)

    def __init__(self, phone: "PhoneConnection") -> None:
        self._phone = phone

    def begin(self) -> None:
        """The connection is new.  Its hello has usually come already: L4 needs longer than the phone."""
        phone = self._phone
        transport, now_ns = phone.transport, time.monotonic_ns()
        phone.flow.tls_start_ns = now_ns
        transport.phase = HANDSHAKE
        transport.deadline = now_ns * 1e-9 + phone.worker.config.l7.tls_handshake_timeout_s
        transport.watch.express = self.on_event
        if self._step():
            transport.watch.arm()

    def on_event(self) -> int:
        """The phone has sent something, or left."""
        self._step()
        return TAKEN

    def _step(self) -> bool:
        """False when no event is to be waited for any more."""
        phone = self._phone
        try:
            if not phone.transport.shake_hands():
                return True
            self._note()
        except ssl.SSLWantWriteError:
            # The kernel has no room for a few kilobytes, which takes a phone that reads nothing.
            phone.transport.watch.express = _not_now
            phone.transport.phase = WRITE
            phone.see_to(self._when_writable)
        except ssl.SSLError as error:
            phone.worker.handshake_failed(error)
            phone.part()
        except OSError:
            phone.close()
        except Exception as error:
            phone.worker.failed(phone, error)
        else:
            phone.rest()
            phone.listen()
        return False

    async def _when_writable(self) -> None:
        phone = self._phone
        transport = phone.transport
        await transport.writable()
        phone.attended = False
        transport.phase = HANDSHAKE
        transport.watch.express = self.on_event
        transport.watch.arm()
        self._step()

    def _note(self) -> None:
        phone, flow = self._phone, self._phone.flow
        flow.tls_end_ns = time.monotonic_ns()
        tls = phone.transport.tls
        assert tls is not None, "shaken hands"
        phone.server_name = tls.server_name
        flow.tls = describe(tls)
        phone.tls_version = str(flow.tls["tls.protocol.version"])
        if phone.worker.stages.asks_callers:
            flow.caller = caller_of(tls.certificate(), phone.unix_now())
        phone.worker.handshake_done(flow)


def _not_now() -> int:
    return PARK

"""The name in the handshake reaches whoever wants to know it."""

from pathlib import Path

from tests.kit.l7_edge import Script, running


async def test_the_name_that_a_phone_asked_for_is_known(tmp_path: Path) -> None:
    """A trace that lacks it cannot say which certificate the phone was shown, and why."""
    async with running(tmp_path, Script()) as edge:
        phone = await edge.phone()
        await phone.get()

        (connection,) = edge.worker.connections
        assert connection.server_name == "i.edge.test"
        assert connection.flow.tls["server.address"] == "i.edge.test"

"""Turning a connection away."""

import socket

import pytest

from edge.l4.refuse import can_drop, refuse, refuse_descriptor


@pytest.fixture
def pair() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        phone = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    return phone, ours


def test_a_reset_is_noticed_at_once(pair: tuple[socket.socket, socket.socket]) -> None:
    """An honest phone can try elsewhere."""
    phone, ours = pair
    with phone:
        refuse(ours, "reset")

        with pytest.raises(ConnectionResetError):
            phone.recv(1)


def test_a_drop_is_not_noticed(pair: tuple[socket.socket, socket.socket]) -> None:
    """A flooder's socket stays open and waits, at its own expense."""
    if not can_drop():
        pytest.skip("closing silently needs CAP_NET_ADMIN")
    phone, ours = pair
    with phone:
        refuse(ours, "drop")
        phone.settimeout(0.05)

        with pytest.raises(TimeoutError):
            phone.recv(1)


def test_a_bare_descriptor_is_reset_and_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    """What waited for a worker in vain is known by its number only."""
    phone, ours = pair
    with phone:
        refuse_descriptor(ours.detach(), socket.AF_INET, "reset")

        with pytest.raises(ConnectionResetError):
            phone.recv(1)

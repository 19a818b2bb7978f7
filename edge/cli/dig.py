"""`edge dig`: which POP would a phone there be sent to, and why?  [I/O]

Asks our name server for real, over UDP, and over TCP where the reply was cut
short.  The reason is in the reply itself (an extended DNS error), so `dig
+subnet` shows it too; the table beside it is what the DNS processes know of
every POP, or without a hub what the configuration says.
"""

import os
import socket
import sys
import time
from dataclasses import replace
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter

from edge.cli.config import config_path
from edge.cli.dig_report import HEAD, Asked, as_data, lines, rows, styles
from edge.cli.hub import ask, run_dir_from_environment
from edge.cli.operate import listening
from edge.cli.screen import say_json, say_table
from edge.common.config import Config
from edge.common.config_file import load
from edge.common.dns_options import BadOption, subnet_of
from edge.common.dns_query import Kind, NoAnswer, Reply, build_query, parse_reply
from edge.common.errors import ConfigError, LinkLost
from edge.common.places import City, PlaceTable, find_city
from edge.dns.nameserver import NameServer
from edge.supervise.formation import split_address

TRY_TIMEOUT_S = 1.0
TRIES = 3
PACKET_BYTES_MAX = 4096
NOWHERE = "0.0.0.0/0"

app = cyclopts.App(name="dig", help="Ask our DNS, and say why it chose this POP.")


@app.default
def dig(
    name: str = "",
    *,
    from_: Annotated[str, Parameter(name="--from")] = "",
    subnet: str = "",
    type: Kind = "A",
    tcp: bool = False,
    json: bool = False,
) -> None:
    """Ask our DNS for NAME (the edge's own if left out), and say why it answered so.

    Exit status 1 where there is no such record.

    Parameters
    ----------
    name
        i.edge.test, mumbai.edge.test, edge.test ...
    from_
        A city; the query says that the phone is there.
    subnet
        A network instead of a city, such as 203.0.113.0/24.
    type
        The kind of record.
    tcp
        Ask over TCP at once.
    json
        The same as data.
    """
    config = load(config_path())
    city = _city(from_)
    subnet = subnet or (city.ipv4 if city else "")
    _check(subnet)
    name = name or config.domain
    server = _server(config)
    # "Somewhere" is worth a word too: only who sends a subnet, even an empty one, is told why.
    asked = _ask(server, name, type, subnet or NOWHERE, over_tcp=tcp)
    pops = _pops(config, type, subnet)
    place = city or _place_of(config, subnet)
    asked = replace(asked, place=place.title if place else "", subnet=subnet)
    if json:
        say_json(as_data(asked, pops))
    else:
        _say(asked, pops, with_table=name == config.domain)
    sys.exit(0 if asked.reply.records else 1)


def _say(asked: Asked, pops: list[dict[str, Any]], *, with_table: bool) -> None:
    for line in lines(asked, pops):
        print(line)
    if with_table and pops:
        print()
        say_table(HEAD, rows(asked, pops), styles(asked, pops))


def _city(text: str) -> City | None:
    city = find_city(text)
    if text and city is None:
        raise ConfigError([f'"{text}" is no city on our map; `--subnet` takes any network'])
    return city


def _check(subnet: str) -> None:
    try:
        if subnet:
            subnet_of(subnet)
    except BadOption as error:
        raise ConfigError([str(error)]) from error


def _place_of(config: Config, subnet: str) -> City | None:
    host = subnet_of(subnet).host() if subnet else None
    return None if host is None else PlaceTable(config.dns.cities).find(host).city


def _server(config: Config) -> tuple[str, int]:
    for found in listening(run_dir_from_environment()).values():
        if "udp" in found:
            return split_address(found["udp"])
    return split_address(config.dns.listen)


def _ask(server: tuple[str, int], name: str, kind: Kind, subnet: str, *, over_tcp: bool) -> Asked:
    number = int.from_bytes(os.urandom(2), "big")
    query = build_query(number, name, kind=kind, subnet=subnet)
    transport = "TCP"
    started = time.monotonic()
    try:
        if not over_tcp:
            transport = "UDP"
            reply = _over_udp(server, query, number, name, kind)
            if reply.truncated:
                transport, over_tcp = "TCP after a truncated reply over UDP", True
        if over_tcp:
            reply = parse_reply(_over_tcp(server, query), number, name, kind)
    except OSError as error:
        why = str(error) or "it timed out"
        raise NoAnswer(
            f"no name server answers at {server[0]}:{server[1]} ({why}); `make up` starts it"
        ) from error
    took_ms = (time.monotonic() - started) * 1000
    return Asked(name, kind, "", subnet, f"{server[0]}:{server[1]}", transport, took_ms, reply)


def _over_udp(server: tuple[str, int], query: bytes, number: int, name: str, kind: Kind) -> Reply:
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as asking:
        asking.connect(server)
        asking.settimeout(TRY_TIMEOUT_S)
        for attempt in range(1, TRIES + 1):
            asking.send(query)
            try:
                return parse_reply(asking.recv(PACKET_BYTES_MAX), number, name, kind)
            except TimeoutError:
                if attempt == TRIES:
                    raise
    raise AssertionError("the last try returns or raises")


def _over_tcp(server: tuple[str, int], query: bytes) -> bytes:
    with socket.create_connection(server, TRY_TIMEOUT_S) as asking, asking.makefile("rb") as replies:
        asking.sendall(len(query).to_bytes(2, "big") + query)
        size = replies.read(2)
        data = replies.read(int.from_bytes(size, "big"))
    if len(size) < 2 or len(data) < int.from_bytes(size, "big"):
        raise NoAnswer("the name server hung up in the middle of its reply")
    return data


def _pops(config: Config, kind: Kind, subnet: str) -> list[dict[str, Any]]:
    """Every POP as a DNS process sees it from there; without a hub as the configuration does."""
    try:
        answers = ask(run_dir_from_environment(), "dns", target="dns", subnet=subnet)
    except LinkLost:
        answers = {}
    told = [answer for answer in (answers or {}).values() if answer]
    table = told[0] if told else NameServer(config, "edge dig", "127.0.0.1", serial=0).table(subnet)
    choice = table["ipv6" if kind == "AAAA" else "ipv4"]
    return list(choice["pops"]) if choice else []

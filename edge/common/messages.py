"""What may be said on the control channel?

One class a message; the union `Message` is the whole language.  On the wire a
message is a msgpack map whose key `type` names the class (see
`edge.common.framing`); unknown keys are ignored so that an older process can
read a newer one within one `VERSION`, unknown types end the link.

Three conversations:

* membership: `Hello` -> `Welcome` or `Refused`, then `Beat`s; the hub answers
  changes with `Members` and `Revision`;
* commands: the command line sends `Command` to the hub, which passes it to
  each process it is for and collects `Done`;
* questions: `Ask` goes to every process (or those of one tier), each `Answer`s
  from what it remembers; `Report` volunteers what nobody asked for.
"""

from typing import Any, Literal, cast

import msgspec
from msgspec import Struct

VERSION = 1

State = Literal["starting", "live", "draining", "dead"]
Role = Literal["", "active", "standby"]


class _Message(Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """The parent of all messages."""


class Member(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One process, as the hub last heard of it."""

    name: str  # "l7-mumbai-1": unique in one edge
    tier: str  # control dns l4 l7 service console cli
    pid: int
    pop: str = ""
    service: str = ""  # "feed", where tier is "service"
    address: str = ""  # where it serves: "127.0.0.1:7110" or a Unix socket's path
    state: State = "starting"
    role: Role = ""
    epoch: int = 0
    weight: int = 100  # percent of its fair share; 0 is drained by hand
    revision: str = ""  # of the configuration it serves under
    load: dict[str, float] = {}
    since_unix: float = 0.0


class Hello(_Message, frozen=True, kw_only=True, tag="hello"):
    """First word on a link: who I am."""

    version: int
    member: Member
    token: str = ""  # only over TCP; the Unix socket is guarded by its directory


class Welcome(_Message, frozen=True, kw_only=True, tag="welcome"):
    """The hub's answer: all that a process needs to serve."""

    version: int
    hub_started_unix: float
    revision: str
    members: list[Member]
    bans: list["Ban"]


class Refused(_Message, frozen=True, kw_only=True, tag="refused"):
    """The hub's other answer; the link is closed behind it."""

    reason: str


class Beat(_Message, frozen=True, kw_only=True, tag="beat"):
    """I live, this is my state and my load."""

    state: State
    role: Role = ""
    epoch: int = 0
    revision: str = ""
    address: str = ""
    load: dict[str, float] = {}


class Members(_Message, frozen=True, kw_only=True, tag="members"):
    """Processes whose entry changed; `gone` are the names that left."""

    changed: list[Member] = []
    gone: list[str] = []


class Ban(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Refuse this network until then."""

    network: str  # "203.0.113.9" or "203.0.113.0/24"
    until_unix: float
    reason: str
    by: str = ""


class Bans(_Message, frozen=True, kw_only=True, tag="bans"):
    """Bans to add, and networks to forgive."""

    add: list[Ban] = []
    lift: list[str] = []


class Revision(_Message, frozen=True, kw_only=True, tag="revision"):
    """A new configuration: its name and its bytes (`edge.common.revision.decode`)."""

    revision: str
    config: bytes


class Command(_Message, frozen=True, kw_only=True, tag="command"):
    """Do this.  `target` is a member's name, a tier ("l7"), a service ("feed") or "*"."""

    id: str
    target: str
    action: str  # drain undrain weight reload ban unban fault purge stop ...
    args: dict[str, Any] = {}


class Done(_Message, frozen=True, kw_only=True, tag="done"):
    """What became of a command at one process, or at the hub for all."""

    id: str
    name: str
    ok: bool
    detail: str = ""


class Ask(_Message, frozen=True, kw_only=True, tag="ask"):
    """What do you remember?  Topics: "trace", "stats", "metrics", "flow", "status" ..."""

    id: str
    topic: str
    target: str = "*"
    args: dict[str, Any] = {}
    timeout_s: float = 1.0


class Answer(_Message, frozen=True, kw_only=True, tag="answer"):
    """One process's answer; to the command line the hub sends one with all of them by name."""

    id: str
    name: str
    value: Any = None


class Report(_Message, frozen=True, kw_only=True, tag="report"):
    """Told without being asked: topic "offender", "spans", "event", ..."""

    topic: str
    name: str = ""
    value: Any = None


Message = (
    Hello | Welcome | Refused | Beat | Members | Bans | Revision | Command | Done | Ask | Answer | Report
)

_UNION: Any = Message  # mypy does not take a union for a type[T]


def to_wire(message: Message) -> Any:
    """The plain maps, lists and scalars that msgpack packs."""
    return msgspec.to_builtins(message, builtin_types=(bytes,))


def from_wire(value: Any) -> Message:
    """The message in `value`.

    Raises `msgspec.ValidationError` where a field is missing or of the wrong
    type, or the type is unknown.
    """
    return cast(Message, msgspec.convert(value, _UNION))

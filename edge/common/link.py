"""What does a process know of the others, and what does it do when the hub is gone?

`LinkState` is the process's side of its control link: it takes messages, keeps
the last known members and bans, and calls the handlers that its process
registered.  It never forgets what it knew when the hub goes away (static
stability): a worker without a hub serves on.

Reconnecting uses full-jitter back-off, so that twenty processes do not fall
upon a new hub in the same millisecond.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from edge.common import revision
from edge.common.config import Config
from edge.common.messages import (
    Ask,
    Ban,
    Bans,
    Beat,
    Command,
    Hello,
    Member,
    Members,
    Message,
    Refused,
    Report,
    Revision,
    Welcome,
)

BACKOFF_START_S = 0.05
BACKOFF_MAX_S = 2.0

CommandHandler = Callable[[dict[str, Any]], Awaitable[str]]
AskHandler = Callable[[dict[str, Any]], Any]
MembersHandler = Callable[[list[Member], list[str]], None]
BansHandler = Callable[[list[Ban], list[str]], None]
RevisionHandler = Callable[[Config, str], None]
ReportHandler = Callable[[str, Any], None]


def backoff_s(attempt: int, dice: float) -> float:
    """How long to wait before attempt number `attempt` (from 0); `dice` in [0, 1)."""
    # The exponent is capped before the power is taken: a hub may be gone for a week.
    ceiling: float = min(BACKOFF_MAX_S, BACKOFF_START_S * 2.0 ** min(attempt, 10))
    return ceiling * (0.1 + 0.9 * dice)


class LinkState:
    """One process's view of the edge, fed by the hub's messages."""

    def __init__(self, member: Member, outbox_frames_max: int) -> None:
        self.member = member
        self.members: dict[str, Member] = {}
        self.bans: list[Ban] = []
        self.load: dict[str, float] = {}
        self.connected = False
        self.refused = ""
        self.dropped_reports = 0
        self.commands: dict[str, CommandHandler] = {}
        self.asks: dict[str, AskHandler] = {}
        self._on_members: list[MembersHandler] = []
        self._on_bans: list[BansHandler] = []
        self._on_revision: list[RevisionHandler] = []
        self._on_report: dict[str, ReportHandler] = {}
        self._outbox: deque[Report] = deque()
        self._outbox_frames_max = outbox_frames_max

    # -- what the process registers ------------------------------------------------

    def on_command(self, action: str, handler: CommandHandler) -> None:
        """Call `handler` with a command's arguments; it returns a line of detail."""
        self.commands[action] = handler

    def on_ask(self, topic: str, handler: AskHandler) -> None:
        """Answer questions of `topic`; `handler` is quick and returns plain values."""
        self.asks[topic] = handler

    def on_members(self, handler: MembersHandler) -> None:
        """Call `handler` with what changed, now for all that is known already."""
        self._on_members.append(handler)
        if self.members:
            handler(list(self.members.values()), [])

    def on_bans(self, handler: BansHandler) -> None:
        """Call `handler` with new bans and lifted networks."""
        self._on_bans.append(handler)
        if self.bans:
            handler(list(self.bans), [])

    def on_revision(self, handler: RevisionHandler) -> None:
        """Call `handler` with each new configuration and its name."""
        self._on_revision.append(handler)

    def on_report(self, topic: str, handler: ReportHandler) -> None:
        """Call `handler` with the sender's name and the value of each report that the hub passes on."""
        self._on_report[topic] = handler

    # -- what goes out --------------------------------------------------------------

    def hello(self, version: int, token: str = "") -> Hello:
        """The first message of a new link."""
        return Hello(version=version, member=self.member, token=token)

    def beat(self) -> Beat:
        """I live."""
        me = self.member
        return Beat(
            state=me.state,
            role=me.role,
            epoch=me.epoch,
            revision=me.revision,
            address=me.address,
            load=dict(self.load),
        )

    def change(self, **fields: Any) -> None:
        """Say something new about this process (state, address, role, epoch, revision)."""
        self.member = msgspec.structs.replace(self.member, **fields)

    def report(self, topic: str, value: Any) -> None:
        """Tell the hub when it is there; without it the oldest reports are dropped and counted."""
        if len(self._outbox) >= self._outbox_frames_max:
            self._outbox.popleft()
            self.dropped_reports += 1
        self._outbox.append(Report(topic=topic, name=self.member.name, value=value))

    def take_outbox(self) -> list[Report]:
        """The reports that wait, each once."""
        waiting = list(self._outbox)
        self._outbox.clear()
        return waiting

    # -- what comes in --------------------------------------------------------------

    def receive(self, message: Message) -> Command | Ask | None:
        """Learn from `message`; what needs an answer is handed back."""
        if isinstance(message, Welcome):
            self.connected = True
            self.refused = ""
            self._learn_bans(message.bans, [])
            # A hub that has just started knows only who has rejoined so far.  Taking
            # its first list for the whole truth would empty every cluster, so nobody
            # is forgotten here: the hub says `gone` of those it has seen die.
            self._learn_members(message.members, [])
        elif isinstance(message, Members):
            self._learn_members(message.changed, message.gone)
        elif isinstance(message, Bans):
            self._learn_bans(message.add, message.lift)
        elif isinstance(message, Revision):
            config = revision.decode(message.config)
            self.change(revision=message.revision)
            for on_revision in self._on_revision:
                on_revision(config, message.revision)
        elif isinstance(message, Report):
            on_report = self._on_report.get(message.topic)
            if on_report is not None:
                on_report(message.name, message.value)
        elif isinstance(message, Refused):
            self.refused = message.reason
        elif isinstance(message, Command | Ask):
            return message
        return None

    def answer(self, ask: Ask) -> Any:
        """What this process says to `ask`, None where it has nothing to say."""
        handler = self.asks.get(ask.topic)
        return None if handler is None else handler(ask.args)

    def _learn_members(self, changed: list[Member], gone: list[str]) -> None:
        for member in changed:
            self.members[member.name] = member
        for name in gone:
            self.members.pop(name, None)
        for handler in self._on_members:
            handler(changed, gone)

    def _learn_bans(self, add: list[Ban], lift: list[str]) -> None:
        renewed = {ban.network for ban in add} | set(lift)
        self.bans = [ban for ban in self.bans if ban.network not in renewed] + add
        for handler in self._on_bans:
            handler(add, lift)

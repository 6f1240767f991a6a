"""What hooks do, on a running App: they are made and revoked, and say something in their rooms."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

from msgspec import Struct

from gchat.admin.backend import BadText, Missing, NotPossible, TooOften
from gchat.admin.documents import HookInfo, MadeHookDocument, NewHook
from gchat.chat.limits import SPENT_BYTES, Allowance
from gchat.chat.order_steps import OpenRoom
from gchat.dialects import rich
from gchat.hooks.book import Hook, HookBook, HookRefused
from gchat.hooks.fitting import fitting
from gchat.hooks.message import HookMessage
from gchat.model import names, text
from gchat.model.errors import Refusal
from gchat.server.admin_actions import AdminActions
from gchat.server.counters import Counter
from gchat.server.kept_hooks import add_hook, forget_hook, load_book
from gchat.server.logs import logger
from gchat.server.notes_by_step import NotesByStep, NoteTaken
from gchat.server.operated_server import OperatedServer

HOOK_MESSAGES = Counter("gchat_hook_messages", "Messages said by hooks.")


class _Use(Struct):
    """The use of one hook since the start: what it may still say now, how often it spoke, and when."""

    allowance: Allowance
    messages: int = 0
    last: float = 0.0  # seconds since the epoch; 0: never


class HookActions(AdminActions):
    """The methods of gchat.admin.backend.Backend that concern hooks."""

    def __init__(self, app: OperatedServer) -> None:
        super().__init__(app)
        self.notes = NotesByStep(app, self._take)
        self._known = HookBook()
        self._known_of = -1  # the changes of the notes that it was made of
        self._uses: dict[int, _Use] = {}  # by the hook's id

    @property
    def _book(self) -> HookBook:
        """The hooks that there are: in a cluster, those that were made at any node."""
        if self._known_of != (changes := self._app.registry.notes.changes):
            self._known, self._known_of = load_book(self.notes), changes
        return self._known

    def hooks(self) -> Sequence[HookInfo]:
        """See Backend.hooks."""
        return [self._shown(hook) for hook in self._book.all.values()]

    def make_hook(self, asked: NewHook) -> MadeHookDocument:
        """See Backend.make_hook."""
        while True:
            try:
                made = add_hook(load_book(self.notes), self.notes, asked)
                break
            except NoteTaken:  # at the same moment another node has made one with this id
                continue
            except HookRefused as refused:
                raise NotPossible(str(refused)) from None
        logger.warning("made the hook %(id)d %(name)s for %(room)s", _logged(self._book.all[made.id]))
        return made

    def revoke_hook(self, hook: int) -> None:
        """See Backend.revoke_hook."""
        gone = self._book.all.get(hook)
        if gone is None:
            raise Missing(f"No hook has the id {hook}; GET /hooks lists the hooks")
        forget_hook(self.notes, hook)
        self._uses.pop(hook, None)
        logger.warning("revoked the hook %(id)d %(name)s for %(room)s", _logged(gone))

    def hook(self, secret: str) -> Hook | None:
        """See Backend.hook."""
        return self._book.find(secret)

    def say_by_hook(self, hook: Hook, message: HookMessage) -> int:
        """See Backend.say_by_hook."""
        said = fitting(message.text, self._app.limits.max_text_bytes)
        if text.is_blank(said):
            raise BadText("The text is blank; expected something that can be seen")
        use = self._spend(hook, len(said.encode()))
        self._open(hook.room)
        seq = self._say(hook.room, _name(hook.name, message.name), said)
        use.messages += 1
        use.last = time.time()
        HOOK_MESSAGES.value += 1
        return seq

    def say_answer(self, room: str, name: str, message: HookMessage) -> None:
        """See Answers.say_answer."""
        said = fitting(message.text, self._app.limits.max_text_bytes)
        if not text.is_blank(said):
            self._open(room)
            self._say(room, _name(names.machine(name), message.name), said)

    def _spend(self, hook: Hook, size: int) -> _Use:
        """Pay for a message at the pace of a user. Raises TooOften."""
        rates, now = self._app.limits.rates, time.monotonic()
        use = self._uses.setdefault(hook.id, _Use(Allowance(rates, now)))
        use.allowance.grow(rates, now)
        if use.allowance.is_spent(rates):
            lines_s = (1 - use.allowance.lines) / rates.messages_per_s
            bytes_s = (SPENT_BYTES - use.allowance.bytes) / rates.bytes_per_s if rates.bytes_per_s else 0.0
            wait_s = max(1, math.ceil(max(lines_s, bytes_s)))
            raise TooOften(f"This hook has said too much; wait {wait_s} s", wait_s)
        use.allowance.lines -= 1
        use.allowance.bytes -= size
        return use

    def _open(self, room: str) -> None:
        """Have a room, which is made if there is none. Raises NotPossible."""
        if room not in self._app.registry.rooms:
            self._take(OpenRoom(room))

    def _shown(self, hook: Hook) -> HookInfo:
        use = self._uses.get(hook.id)
        return HookInfo(
            id=hook.id,
            room=hook.room,
            name=hook.name,
            created=rich.rfc3339(hook.created),
            signed=bool(hook.signing_secret),
            messages=use.messages if use else 0,
            last=rich.rfc3339(use.last) if use and use.last else "",
        )


def _name(usual: str, chosen: str) -> str:
    """Return the name that a message of a hook is shown under: the one that it chooses, if that can be."""
    try:
        return names.machine(chosen) if chosen else usual
    except Refusal:
        return usual


def _logged(hook: Hook) -> dict[str, object]:
    return {"id": hook.id, "name": hook.name, "room": hook.room}

"""The hooks that there are. Each has its secret, of which only the hash is kept."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from gchat.model.errors import GchatError, Refusal
from gchat.model.names import machine
from gchat.model.names import room as room_name
from gchat.model.secret import HasSecrets

#: There may be so many.
MAX_HOOKS = 256

#: A secret that others sign with is not longer.
MAX_SIGNING_SECRET = 256


class HookRefused(GchatError):
    """The hook cannot be made; the text says why."""


class Hook(HasSecrets, Struct, frozen=True):
    """A hook: a program that knows its secret may say something in its room, under its name."""

    id: int
    room: str
    name: str  # as it is shown, "Grafana (http)"
    secret_hash: str  # SHA-256, in hexadecimal digits
    created: float  # seconds since the epoch
    signing_secret: str = ""  # bodies must be signed with it; it is stored as it is, for else none could be checked

    @property
    def is_revoked(self) -> bool:
        """Whether only its id is left."""
        return not self.secret_hash


class HookBook:
    """All hooks, by id. No id is used twice, because an operator may type an old one."""

    def __init__(self, hooks: Iterable[Hook] = ()) -> None:
        known = list(hooks)
        self.all = {hook.id: hook for hook in known if not hook.is_revoked}
        self.last_id = max((hook.id for hook in known), default=0)

    def make(self, room: str, name: str, signing_secret: str, secret: str, now: float) -> Hook:
        """Add a hook with this secret, and return it. Raises HookRefused."""
        try:
            room, shown = room_name(room), machine(name)
        except Refusal as refusal:
            raise HookRefused(refusal.message) from None
        if there := next((hook for hook in self.all.values() if (hook.room, hook.name) == (room, shown)), None):
            raise HookRefused(
                f"There is a hook {shown} for {room} already; its secret cannot be shown again: revoke the hook "
                f"(DELETE /hooks/{there.id}) and make a new one, or choose another name"
            )
        if len(self.all) >= MAX_HOOKS:
            raise HookRefused(f"There are {MAX_HOOKS} hooks, which is the limit; revoke some (DELETE /hooks/ID)")
        hook = Hook(self.last_id + 1, room, shown, _hash(secret), now, signing_secret)
        self.all[hook.id] = hook
        self.last_id = hook.id
        return hook

    def find(self, secret: str) -> Hook | None:
        """Return the hook with this secret. All are compared, and how long that takes tells nothing of any."""
        from hmac import compare_digest  # noqa: PLC0415  # it loads OpenSSL, which a start does without

        shown, found = _hash(secret), None
        for hook in self.all.values():
            if compare_digest(hook.secret_hash, shown):
                found = hook
        return found


def _hash(secret: str) -> str:
    import hashlib  # noqa: PLC0415  # as above

    # A fast hash will do: a secret is 128 random bits or more, which nobody can try.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

"""Nicks that are yours: as transcripts, and in any order against what must always hold."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gchat.chat import logins
from gchat.chat.accounts import Account
from gchat.chat.disconnected import RECONNECT_GRACE_S
from gchat.chat.effects import (
    CheckSecret,
    Close,
    CloseReason,
    Deliver,
    Effect,
    Enter,
    Presence,
    SaveAccount,
    SavedSession,
    SaveModes,
    SaveSession,
    Verdict,
)
from gchat.chat.handlers import execute
from gchat.chat.limits import Limits
from gchat.chat.registry import LOBBY, Registry
from gchat.chat.room_modes import Modes
from gchat.chat.session import Session
from gchat.model import commands, events
from gchat.model.errors import Code, Refusal
from gchat.model.hello import Hello
from gchat.model.lookalikes import name_keys
from tests.chat.talk import NOW
from tests.chat.test_resume import consistent

SECRET, OTHER = "tea4two!", "not the secret"


class Town:
    """A registry whose secrets are checked at once: the hash of a secret is `#` and the secret."""

    def __init__(self, **limits: Any) -> None:
        self.registry = Registry(Limits(**limits))
        self.ports = count(1)
        self.saved: dict[str, SavedSession] = {}
        self.modes: dict[str, Modes] = {}
        self.accounts: dict[str, Account] = {}

    def keep(self, effects: list[Effect]) -> list[Effect]:
        """Store what is to be stored, as the pump does."""
        for effect in effects:
            kept: tuple[dict[str, Any], str, Any] | None = None
            match effect:
                case SaveSession(key, value):
                    kept = self.saved, key, value
                case SaveModes(key, value):
                    kept = self.modes, key, value
                case SaveAccount(key, value):
                    kept = self.accounts, key.lower(), value
            if kept is not None:
                kept[0].pop(kept[1], None)
                if kept[2] is not None:
                    kept[0][kept[1]] = kept[2]
        return effects

    def restarts(self) -> None:
        """Go on as the next run of the server."""
        before = self.registry
        self.registry = Registry(before.limits)
        for account in self.accounts.values():
            self.registry.accounts.add(account)
        self.registry.rooms.modes.restore(self.modes)
        self.registry.restore(self.saved, 0.0)

    def comes(self, hello: Hello | None = None, token: str = "", *, is_private: bool = True) -> Session:
        """Let somebody in, as the door does."""
        login: Account | Refusal | None = None
        try:
            if hello is not None and (check := logins.of_hello(self.registry, hello, is_private=is_private)):
                login = logins.proven(self.registry, check, verdict_on(check))
        except Refusal as refusal:
            login = refusal
        port = next(self.ports)
        session, self.told = self.registry.connect(
            f"192.0.2.7:{port}", hello, token, login=login, attempt=port, is_private=is_private
        )
        self.keep(self.told)
        return session

    def asks(self, session: Session, command: commands.Command) -> list[Effect]:
        effects = execute(self.registry, session, command, NOW)
        for check in [effect for effect in effects if isinstance(effect, CheckSecret)]:
            effects += logins.concluded(self.registry, session, check, verdict_on(check), NOW)
        return self.keep(effects)

    def registered(self, nick: str, **hello: Any) -> Session:
        session = self.comes(Hello(**hello), f"token-of-{nick}-0000") if hello else self.comes()
        self.asks(session, commands.Nick(nick))
        assert refusals(self.asks(session, commands.Register(secret=SECRET))) == []
        return session


LINEAGES = map("{:032x}".format, count(1))


def verdict_on(check: CheckSecret) -> Verdict:
    if check.hash and check.hash != f"#{check.secret}":
        return Verdict()
    return Verdict(is_right=True, hash=f"#{check.new}" if check.new else "", lineage=next(LINEAGES))


def refusals(effects: list[Effect]) -> list[Code]:
    answers = [effect.answer for effect in effects if isinstance(effect, Deliver)]
    return [answer.code for answer in answers if isinstance(answer, events.Refused)]


def answers(effects: list[Effect], session: Session) -> list[events.Answer]:
    return [effect.answer for effect in effects if isinstance(effect, Deliver) and effect.session == session.id]


def told(effects: list[Effect]) -> list[tuple[str, events.Movement]]:
    return [(effect.room, effect.presence) for effect in effects if isinstance(effect, Presence)]


def asked_for(town: Town, session: Session, command: commands.Command) -> CheckSecret:
    """Return the check that a command asks for, before its verdict."""
    (check,) = (effect for effect in execute(town.registry, session, command, NOW) if isinstance(effect, CheckSecret))
    return check


@pytest.fixture
def town() -> Town:
    return Town()


# --- Having a nick ---------------------------------------------------------------------------------------------------


def test_a_nick_is_registered_and_its_user_is_told_in_both_ways(town: Town) -> None:
    alice = town.comes()
    town.asks(alice, commands.Nick("alice"))
    effects = town.asks(alice, commands.Register(secret=SECRET, id="7"))

    assert alice.account == "alice"
    assert answers(effects, alice)[-1] == events.AccountIs("alice")
    done = answers(effects, alice)[-2]
    assert isinstance(done, events.Done)
    assert done.id == "7"
    assert town.accounts["alice"].hash == f"#{SECRET}"


@pytest.mark.parametrize("nick", ["alice", "Alice", "аlice", "ａｌｉｃｅ", "aIice"])
def test_nobody_else_has_it_in_any_way(town: Town, nick: str) -> None:
    town.registry.leave(town.registered("alice"), CloseReason.QUIT)
    mallory = town.comes()

    wanted: list[commands.Command] = [commands.Nick(nick), commands.Register(nick, SECRET)]
    assert all(
        code in (Code.REGISTERED, Code.BAD_NAME) for each in wanted for code in refusals(town.asks(mallory, each))
    )
    assert mallory.name == mallory.address
    for hello in (Hello(nick=nick), Hello(nick=nick, secret=OTHER), Hello(nick=nick, token="0123456789abcdef")):
        mallory = town.comes(hello, "fedcba9876543210")
        assert (mallory.name, mallory.account) == (mallory.address, "")
        assert refusals(town.told)


def test_nobody_must_register_to_talk(town: Town) -> None:
    bob = town.comes()
    assert refusals(town.asks(bob, commands.Say(("hello",)))) == []
    assert refusals(town.asks(bob, commands.Nick("bob"))) == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (commands.Login("alice", OTHER), Code.WRONG_SECRET),
        (commands.Login("alice", ""), Code.WRONG_SECRET),
        (commands.Login("alice", "x" * 1_000_000), Code.WRONG_SECRET),
        (commands.Login("nobody", SECRET), Code.NO_SUCH_USER),
        (commands.Logout(), Code.BAD_COMMAND),
        (commands.Passwd(SECRET, "tea4three"), Code.BAD_COMMAND),
        (commands.Unregister("alice", OTHER), Code.WRONG_SECRET),
        (commands.Unregister(secret=SECRET), Code.BAD_COMMAND),
        (commands.Register(secret=SECRET), Code.BAD_COMMAND),
        (commands.Register("bob", "short"), Code.WEAK_SECRET),
        (commands.Register("bob", "x" * 1_000_000), Code.WEAK_SECRET),
        (commands.Register("a b", SECRET), Code.BAD_NAME),
        (commands.Register("server", SECRET), Code.NAME_TAKEN),
        (commands.Register("NickServ", SECRET), Code.NAME_TAKEN),
    ],
)
def test_what_is_not_possible_is_refused_and_changes_nothing(town: Town, command: commands.Command, code: Code) -> None:
    alice = town.registered("alice")
    stranger = town.comes()
    effects = town.asks(stranger, command)

    assert refusals(effects) == [code]
    assert (alice.account, stranger.account, stranger.name) == ("alice", "", stranger.address)
    assert set(town.accounts) == {"alice"}


def test_two_who_register_one_nick_at_once_are_decided_by_the_first(town: Town) -> None:
    first, second = town.comes(), town.comes()
    checks = []
    for session in (first, second):
        (check,) = (
            e
            for e in execute(town.registry, session, commands.Register("alice", SECRET), NOW)
            if type(e) is CheckSecret
        )
        checks.append(check)
    for session, check in zip((first, second), checks, strict=True):
        town.keep(logins.concluded(town.registry, session, check, verdict_on(check), NOW))

    assert (first.account, second.account, second.name) == ("alice", "", second.address)


def test_a_verdict_on_a_secret_that_was_changed_meanwhile_proves_nothing(town: Town) -> None:
    alice = town.registered("alice")
    mallory = town.comes()
    (check,) = (
        e for e in execute(town.registry, mallory, commands.Login("alice", SECRET), NOW) if type(e) is CheckSecret
    )
    town.asks(alice, commands.Passwd(SECRET, "tea4three"))
    effects = logins.concluded(town.registry, mallory, check, verdict_on(check), NOW)

    assert refusals(effects) == [Code.WRONG_SECRET]
    assert mallory.account == ""


def test_a_new_secret_counts_and_the_old_one_does_not(town: Town) -> None:
    alice = town.registered("alice")
    assert refusals(town.asks(alice, commands.Passwd(OTHER, "tea4three"))) == [Code.WRONG_SECRET]
    assert refusals(town.asks(alice, commands.Passwd(SECRET, "short"))) == [Code.WEAK_SECRET]
    assert refusals(town.asks(alice, commands.Passwd(SECRET, "tea4three"))) == []
    town.asks(alice, commands.Logout())
    assert refusals(town.asks(alice, commands.Login("alice", SECRET))) == [Code.WRONG_SECRET]
    assert refusals(town.asks(alice, commands.Login("alice", "tea4three"))) == []


def test_a_nick_that_is_given_up_is_anybodys_and_its_ranks_are_nobodys(town: Town) -> None:
    alice = town.registered("alice")
    town.asks(alice, commands.Join("dev"))
    assert town.modes["dev"].ranks
    assert refusals(town.asks(alice, commands.Unregister(secret=SECRET))) == []
    assert (alice.account, alice.name) == ("", "alice"), "it has the nick while it is there"
    assert "dev" not in town.modes
    assert town.accounts == {}
    town.registry.leave(alice, CloseReason.QUIT)
    assert town.registered("alice").account == "alice"


# --- Coming back -----------------------------------------------------------------------------------------------------


def test_a_login_takes_the_places_of_a_ghost_and_the_others_see_one_user(town: Town) -> None:
    ghost, bob = town.registered("alice", rooms=()), town.comes()
    for session in (ghost, bob):
        town.asks(session, commands.Join("dev", leave="current"))
    guest = town.comes()
    effects = town.asks(guest, commands.Login("alice", SECRET, leave="current"))

    assert Close(ghost.id, CloseReason.REPLACED) in effects
    assert (guest.name, list(guest.rooms), guest.account) == ("alice", ["dev"], "alice")
    assert told(effects) == [(LOBBY, events.Left(guest.address, 0))]
    assert town.registry.rooms["dev"].ranks == {guest.seat: "o"}
    assert [effect.room for effect in effects if isinstance(effect, Enter)] == ["dev"]
    assert consistent(town.registry)


def test_a_rich_user_who_logs_in_is_in_the_rooms_of_both(town: Town) -> None:
    ghost = town.registered("alice", room="dev")
    bob = town.comes(Hello(rooms=(), nick="bob"), "token-of-bob-0000")
    for room in ("dev", "tea"):
        town.asks(bob, commands.Join(room))
    guest = town.comes(Hello(room="tea"), "another-token-00")
    town.asks(guest, commands.Join("dev"))
    effects = town.asks(guest, commands.Login("alice", SECRET))

    assert Close(ghost.id, CloseReason.REPLACED) in effects
    assert set(guest.rooms) == {"tea", "dev"}
    assert told(effects) == [("dev", events.Left(guest.address, 2)), ("tea", events.Renamed(guest.address, "alice"))]
    assert consistent(town.registry)


def test_a_reply_to_the_ghost_goes_to_its_user(town: Town) -> None:
    alice, bob = town.registered("alice"), town.comes()
    town.asks(alice, commands.Tell(bob.name, "psst"))
    bob.told_by(alice.seat)
    again = town.comes()
    town.asks(again, commands.Login("alice", SECRET))
    (effect,) = (e for e in town.asks(bob, commands.Reply("yes")) if isinstance(e, Deliver))

    assert effect.session == again.id


def test_ranks_are_kept_for_the_account_and_go_with_it(town: Town) -> None:
    alice, bob = town.registered("alice"), town.comes()
    for session in (alice, bob):
        town.asks(session, commands.Join("dev"))
    town.asks(alice, commands.Mode("+m"))
    town.keep(town.registry.leave(alice, CloseReason.QUIT))
    again = town.comes()
    town.asks(again, commands.Join("dev"))
    assert again.seat not in town.registry.rooms["dev"].ranks
    town.asks(again, commands.Login("alice", SECRET))
    assert town.registry.rooms["dev"].ranks[again.seat] == "o"
    town.asks(again, commands.Logout())
    assert again.seat not in town.registry.rooms["dev"].ranks
    assert again.name == again.address


def test_what_a_user_was_before_is_the_accounts_from_the_login_on(town: Town) -> None:
    user = town.comes(Hello(nick="alice", room="dev"), "token-of-alice-0000")
    town.asks(user, commands.Register(secret=SECRET))
    assert town.modes["dev"].ranks == {user.account_lineage: "o"}


def test_a_squatter_loses_the_nick_and_is_told_why(town: Town) -> None:
    squatter = town.comes()
    town.asks(squatter, commands.Nick("al1ce"))
    check = logins.adding(town.registry, "al1ce", SECRET)
    town.keep(list(logins.added(town.registry, check, verdict_on(check), NOW)[1]))
    assert squatter.name == "al1ce", "until its user comes"
    owner = town.comes()
    effects = town.asks(owner, commands.Login("al1ce", SECRET))

    assert (owner.name, squatter.name) == ("al1ce", squatter.address)
    assert any(isinstance(answer, events.Done) for answer in answers(effects, squatter))
    assert (LOBBY, events.Renamed("al1ce", squatter.address)) in told(effects)
    assert consistent(town.registry)


def test_a_disconnected_user_is_displaced_by_a_login_and_nobody_sees_it(town: Town) -> None:
    ghost = town.registered("alice", room="dev")
    town.keep(town.registry.disconnect(ghost, CloseReason.RESET, NOW))
    again = town.comes(Hello(nick="alice", secret=SECRET), "another-token-00")

    assert (again.name, again.account, list(again.rooms)) == ("alice", "alice", ["dev"])
    assert told(town.told) == []
    assert town.registry.due(NOW + 2 * RECONNECT_GRACE_S) == []
    assert consistent(town.registry)


def test_the_end_of_a_plain_stream_is_a_goodbye_and_a_broken_one_is_not(town: Town) -> None:
    alice = town.registered("alice")
    town.keep(town.registry.disconnect(alice, CloseReason.RESET, NOW))
    assert town.registry.is_disconnected(alice)
    again = town.comes()
    town.asks(again, commands.Login("alice", SECRET))
    town.keep(town.registry.disconnect(again, CloseReason.ENDED, NOW))
    assert not town.registry.sessions


def test_the_token_of_a_session_that_was_displaced_proves_nothing(town: Town) -> None:
    ghost = town.registered("alice", room="dev")
    town.asks(town.comes(), commands.Login("alice", SECRET))
    again = town.comes(Hello(token=ghost.token, nick="alice"))

    assert (again.name, again.account) == (again.address, "")
    assert Code.REGISTERED in refusals(town.told)


def test_a_token_that_is_logged_in_proves_as_much_as_the_secret(town: Town) -> None:
    alice = town.registered("alice", room="dev")
    hello = Hello(token=alice.token, nick="alice", secret=OTHER)
    again = town.comes(hello)

    assert (again.name, again.account, list(again.rooms)) == ("alice", "alice", ["dev"])


def test_an_older_attempt_takes_nothing_over(town: Town) -> None:
    alice = town.registered("alice", room="dev")
    hello = Hello(nick="alice", secret=SECRET)
    check = logins.of_hello(town.registry, hello, is_private=True)
    assert check is not None
    login = logins.proven(town.registry, check, verdict_on(check))
    with pytest.raises(Refusal) as refused:
        town.registry.connect("192.0.2.7:99", hello, "another-token-00", login=login, attempt=alice.attempt - 1)
    assert refused.value.code is Code.REPLACED


@pytest.mark.parametrize("is_here", [False, True])
def test_a_peer_that_has_ended_speaks_as_its_user_but_displaces_nobody(town: Town, *, is_here: bool) -> None:
    alice = town.registered("alice", room="dev")
    if not is_here:
        town.keep(town.registry.leave(alice, CloseReason.QUIT))
    hello = Hello(nick="alice", secret=SECRET)
    check = logins.of_hello(town.registry, hello, is_private=True)
    assert check is not None
    login = logins.proven(town.registry, check, verdict_on(check))
    brief, effects = town.registry.connect("192.0.2.7:99", hello, "t" * 16, login=login, attempt=99, has_ended=True)

    assert (brief.name == "alice") == (not is_here)
    assert refusals(effects) == ([Code.REGISTERED] if is_here else [])
    assert (alice.name, alice.account) == ("alice", "alice")
    town.registry.disconnect(brief, CloseReason.ENDED, NOW)
    assert list(town.registry.sessions.values()) == [alice] * is_here
    assert consistent(town.registry)


# --- A restart -------------------------------------------------------------------------------------------------------


def test_after_a_restart_nicks_ranks_and_places_are_their_users(town: Town) -> None:
    alice, carol = town.registered("alice"), town.registered("carol", room="dev")
    town.asks(alice, commands.Join("tea", leave="current"))
    town.restarts()

    mallory = town.comes(Hello(nick="alice"), "another-token-00")
    assert mallory.name == mallory.address
    again = town.comes()
    town.asks(again, commands.Login("alice", SECRET, leave="current"))
    assert (again.name, list(again.rooms)) == ("alice", ["tea"])
    assert town.registry.rooms["tea"].ranks[again.seat] == "o"
    back = town.comes(Hello(token=carol.token))
    assert (back.name, back.account, list(back.rooms)) == ("carol", "carol", ["dev"])
    assert consistent(town.registry)


def test_a_session_of_the_last_run_has_no_nick_that_is_somebody_elses_now(town: Town) -> None:
    squatter = town.comes(Hello(nick="alice"), "token-of-squatter")
    check = logins.adding(town.registry, "alice", SECRET)
    town.keep(list(logins.added(town.registry, check, verdict_on(check), NOW)[1]))
    town.restarts()
    again = town.comes(Hello(token=squatter.token, nick="alice"))

    assert again.name == again.address
    assert refusals(town.told) == [Code.REGISTERED]


# --- What the operator decides ---------------------------------------------------------------------------------------


def test_over_plain_text_no_secret_is_taken(town: Town) -> None:
    town.registered("alice")
    far = town.comes(is_private=False)
    for command in (
        commands.Login("alice", SECRET),
        commands.Register("bob", SECRET),
        commands.Unregister("alice", SECRET),
    ):
        assert refusals(town.asks(far, command)) == [Code.UNSAFE]
        assert refusals(town.asks(far, commands.AskSecret(command))) == [Code.UNSAFE]
    far = town.comes(Hello(nick="alice", secret=SECRET), "another-token-00", is_private=False)
    assert (far.account, refusals(town.told)) == ("", [Code.UNSAFE])
    town.registry.limits.allow_plaintext = True
    assert refusals(town.asks(far, commands.Login("alice", SECRET))) == []


@pytest.mark.parametrize("registration", ["operator", "closed"])
def test_users_register_where_registration_is_open(registration: str) -> None:
    town = Town(registration=registration)
    bob = town.comes()
    assert refusals(town.asks(bob, commands.Register("bob", SECRET))) == [Code.BAD_COMMAND]
    if registration == "operator":
        assert logins.adding(town.registry, "bob", SECRET).new == SECRET
    else:
        with pytest.raises(Refusal, match="closed"):
            logins.adding(town.registry, "bob", SECRET)


@pytest.mark.parametrize("is_rich", [False, True])
def test_where_it_is_required_nobody_is_in_a_room_before_the_login(*, is_rich: bool) -> None:
    town = Town(login_required=True)
    alice = town.registered("alice")
    assert list(alice.rooms) == [LOBBY]
    guest = town.comes(Hello(nick="guest", room="dev") if is_rich else None, "token-of-guest-00" if is_rich else "")

    assert list(guest.rooms) == []
    refused: list[commands.Command] = [
        commands.Say(("x",)), commands.Act("x"), commands.Tell("alice", "x"), commands.Join(LOBBY), commands.Who(),
        commands.Rooms(), commands.History(commands.Last(5)), commands.Search("x"), commands.Topic("x"),
        commands.BeAway(), commands.Ignore("alice"), commands.Invite("alice"), commands.Kick("alice"),
        commands.Mode(), commands.Part(), commands.Logout(), commands.Passwd(SECRET, OTHER), commands.Reply("x"),
    ]  # fmt: skip
    for command in refused:
        assert refusals(town.asks(guest, command)) == [Code.LOGIN_NEEDED], command
    granted: list[commands.Command] = [commands.Help(""), commands.Ping("x"), commands.Login("nobody", SECRET)]
    for command in granted:
        assert Code.LOGIN_NEEDED not in refusals(town.asks(guest, command))
    town.asks(alice, commands.Logout())
    assert list(alice.rooms) == []
    effects = town.asks(guest, commands.Login("alice", SECRET))
    assert list(guest.rooms) == [LOBBY]
    assert [effect.room for effect in effects if isinstance(effect, Enter)] == [LOBBY]
    assert refusals(town.asks(guest, commands.Say(("x",)))) == []


def test_where_it_is_required_a_session_of_the_last_run_without_an_account_is_nowhere() -> None:
    town = Town()
    guest = town.comes(Hello(nick="guest", room="dev"), "token-of-guest-00")
    town.registry.limits.login_required = True
    town.restarts()
    again = town.comes(Hello(token=guest.token))
    assert list(again.rooms) == []


# --- Any order -------------------------------------------------------------------------------------------------------

USERS = st.integers(0, 4)
NICKS = st.sampled_from(("alice", "Alice", "аlice", "bob", "BOB", "Ian", "lan", "carol"))
SECRETS = st.sampled_from((SECRET, OTHER, "tea4three"))
ROOMS = st.sampled_from((LOBBY, "dev", "tea"))


class Owning(RuleBasedStateMachine):
    """The model is which account each user is proven to be, and what the secret of each is."""

    def __init__(self) -> None:
        super().__init__()
        self.town = Town(max_rooms_per_user=2)
        self.users: dict[int, Session] = {}
        self.secrets: dict[str, str] = {}

    def _is_here(self, user: int) -> Session | None:
        session = self.users.get(user)
        registry = self.town.registry
        is_here = session is not None and registry.sessions.get(session.id) is session
        return session if is_here and not registry.is_disconnected(session) else None  # type: ignore[arg-type]

    @rule(user=USERS, nick=st.one_of(st.just(""), NICKS), secret=st.one_of(st.just(""), SECRETS), rich=st.booleans())
    def comes(self, user: int, nick: str, secret: str, *, rich: bool) -> None:
        if self._is_here(user) is not None:
            return
        before = self.users.get(user)
        token = before.token if before is not None else ""
        hello = Hello(nick=nick, secret=secret if nick else "", token=token or None) if rich else None
        was = self.town.registry._lineages.newest(before.lineage) if before is not None and rich and token else None
        proven = {was.account} if was is not None else set()
        session = self.users[user] = self.town.comes(hello, f"{user:016}" if rich else "")
        if rich and secret and self.secrets.get(nick.lower()) == secret:
            proven = {name for name in (nick,) if name.lower() in self.secrets}
            assert session.account.lower() == nick.lower()
        assert not session.account or session.account.lower() in {name.lower() for name in proven}

    @rule(user=USERS, reason=st.sampled_from((CloseReason.RESET, CloseReason.ENDED, CloseReason.QUIT)))
    def goes(self, user: int, reason: CloseReason) -> None:
        if (session := self._is_here(user)) is not None:
            self.town.keep(self.town.registry.disconnect(session, reason, NOW))

    @rule()
    def time_passes(self) -> None:
        self.town.keep(self.town.registry.due(NOW + 2 * RECONNECT_GRACE_S))

    @rule()
    def restarts(self) -> None:
        self.town.restarts()

    def _asks(self, user: int, make: Callable[[Session], commands.Command]) -> tuple[Session, list[Code]] | None:
        if (session := self._is_here(user)) is None:
            return None
        return session, refusals(self.town.asks(session, make(session)))

    @rule(user=USERS, nick=NICKS)
    def takes_a_nick(self, user: int, nick: str) -> None:
        self._asks(user, lambda _: commands.Nick(nick))

    @rule(user=USERS, room=ROOMS, moves=st.booleans())
    def joins(self, user: int, room: str, *, moves: bool) -> None:
        self._asks(user, lambda _: commands.Join(room, leave="current" if moves else None))

    @rule(user=USERS, other=USERS)
    def makes_an_operator(self, user: int, other: int) -> None:
        if (friend := self._is_here(other)) is not None:
            self._asks(user, lambda _: commands.Mode(f"+o {friend.name}"))

    @rule(user=USERS, secret=SECRETS)
    def registers(self, user: int, secret: str) -> None:
        if (done := self._asks(user, lambda _: commands.Register(secret=secret))) and not done[1]:
            self.secrets[done[0].name.lower()] = secret
            assert done[0].account == done[0].name

    @rule(user=USERS, nick=NICKS, secret=SECRETS, moves=st.booleans())
    def logs_in(self, user: int, nick: str, secret: str, *, moves: bool) -> None:
        session = self._is_here(user)
        before = "" if session is None else session.account
        done = self._asks(user, lambda _: commands.Login(nick, secret, leave="current" if moves else None))
        if done is not None:
            is_right = self.secrets.get(nick.lower()) == secret and not before
            assert (done[1] == []) == is_right
            assert done[0].account.lower() == (nick.lower() if is_right else before.lower())

    @rule(user=USERS)
    def logs_out(self, user: int) -> None:
        if done := self._asks(user, lambda _: commands.Logout()):
            assert done[0].account == ""

    @rule(user=USERS, secret=SECRETS, new=SECRETS)
    def changes_the_secret(self, user: int, secret: str, new: str) -> None:
        if (done := self._asks(user, lambda _: commands.Passwd(secret, new))) and not done[1]:
            assert self.secrets[done[0].account.lower()] == secret
            self.secrets[done[0].account.lower()] = new

    @rule(user=USERS, secret=SECRETS)
    def unregisters(self, user: int, secret: str) -> None:
        session = self._is_here(user)
        name = "" if session is None else session.account.lower()
        if (done := self._asks(user, lambda _: commands.Unregister(secret=secret))) and not done[1]:
            assert self.secrets.pop(name) == secret

    @invariant()
    def a_nick_is_its_owners(self) -> None:
        registry = self.town.registry
        for session in registry.sessions.values():
            owner = registry.accounts.owner(name_keys(session.name)) if session.has_nick else None
            assert owner is None or owner.name == session.account

    @invariant()
    def each_account_is_one_user_and_everything_is_consistent(self) -> None:
        registry = self.town.registry
        accounts = [session.account for session in registry.sessions.values() if session.account]
        assert len(accounts) == len(set(accounts))
        assert {account.name.lower() for account in registry.accounts} == set(self.secrets) == set(self.town.accounts)
        for account in registry.accounts:
            session = registry.session_of(account)
            assert session is None or (session.account == account.name and session.id in registry.sessions)
        assert consistent(registry)
        for room in registry.rooms.values():
            seats = {registry.sessions[member].seat for member in room.members}
            assert set(room.ranks) <= seats

    @invariant()
    def what_is_stored_is_what_there_is(self) -> None:
        registry = self.town.registry
        here = {
            session.lineage or session.account_lineage: session.name
            for session in registry.sessions.values()
            if session in registry._lineages
        }
        assert {key: saved.name for key, saved in self.town.saved.items()} == here


TestOwning = Owning.TestCase
TestOwning.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)

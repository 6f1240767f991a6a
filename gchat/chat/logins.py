"""Handlers of the commands for accounts: to register, to log in and out, to change the secret, to give a nick up.

Where a secret has to be checked the handler returns a CheckSecret, and `concluded` what comes of the verdict: by then
others may have acted, so it asks everything again.
"""

from __future__ import annotations

from msgspec import structs

from gchat.chat import accounts, standing
from gchat.chat.accounts import Account
from gchat.chat.effects import CheckSecret, Deliver, Effect, SaveAccount, Verdict, refused
from gchat.chat.registry import Registry
from gchat.chat.session import Session
from gchat.model import commands, sentences
from gchat.model.commands import Command, Proving
from gchat.model.errors import Code, Refusal
from gchat.model.events import AccountIs, Done, SecretWanted
from gchat.model.hello import Hello

#: What users without an account may ask for where the others must log in.
BEFORE_LOGIN = (commands.Login, commands.AskSecret, commands.Help, commands.Quit, commands.Ping, commands.Mistake)


def check_admitted(registry: Registry, session: Session, command: Command) -> None:
    """Raise Refusal if the user has to log in before."""
    if registry.is_admitted(session) or isinstance(command, BEFORE_LOGIN):
        return
    if registry.limits.registration != "open" or not isinstance(command, commands.Register | commands.Nick):
        raise Refusal(Code.LOGIN_NEEDED, sentences.login_needed(registry.limits.registration))


# --- What is asked ---------------------------------------------------------------------------------------------------


def prove(registry: Registry, session: Session, command: Proving, _now: float) -> list[Effect]:
    """Have the secret in a command checked."""
    account = _account(registry, session, command)
    if isinstance(command, commands.Register):
        return [CheckSecret(session.id, command, new=accounts.good(command.secret, _nick(session, command)))]
    assert account is not None
    new = accounts.good(command.new, account.name) if isinstance(command, commands.Passwd) else ""
    if not (secret := accounts.normal(command.secret)):
        raise _wrong()
    return [CheckSecret(session.id, command, secret, account.hash, new)]


def ask(registry: Registry, session: Session, command: commands.AskSecret, _now: float) -> list[Effect]:
    """Ask for the secret that a command lacks. Its next line is not said, also if the command is refused."""
    try:
        account = _account(registry, session, command.of)
    except Refusal as refusal:
        raise Refusal(refusal.code, f"{refusal.message}. Your next line is not said, in case it is a secret") from None
    if account is None:
        what = f"The secret that makes {_nick(session, command.of)} yours"
    elif isinstance(command.of, commands.Passwd) and command.of.secret:
        what = f"The new secret of {account.name}"
    else:
        what = f"The secret of {account.name}"
    return [Deliver(session.id, SecretWanted(sentences.secret_wanted(what)))]


def logout(registry: Registry, session: Session, command: commands.Logout, _now: float) -> list[Effect]:
    """Make the user one without an account."""
    name = _logged_in(session)
    done = Deliver(session.id, Done(sentences.logged_out(name), command.id))
    return [*registry.log_out(session), done, Deliver(session.id, AccountIs(""))]


def of_hello(registry: Registry, hello: Hello, *, is_private: bool) -> CheckSecret | None:
    """Return what is to be checked of a hello; None if nothing is. Raises Refusal, with which the user may come in.

    A token of a session that is logged in proves as much as the secret.
    """
    if not hello.secret:
        return None
    _check_private(registry, is_private=is_private)
    account = registry.accounts.find(hello.nick)
    if registry.is_logged_in(hello.token or "", account):
        return None
    if not (secret := accounts.normal(hello.secret)):
        raise _wrong()
    return CheckSecret(0, commands.Login(account.name), secret, account.hash)


# --- What comes of it ------------------------------------------------------------------------------------------------


def concluded(registry: Registry, session: Session, check: CheckSecret, verdict: Verdict, now: float) -> list[Effect]:
    """Return what comes of a verdict; nothing for a user who has left or lost the connection."""
    if not registry.is_connected(session):
        return []
    try:
        return _carried_out(registry, session, check, verdict, now)
    except Refusal as refusal:
        return [refused(session.id, refusal, check.asked.id)]


def proven(registry: Registry, check: CheckSecret, verdict: Verdict) -> Account:
    """Return the account whose secret was right. Raises Refusal."""
    if verdict.refusal is not None:
        raise verdict.refusal
    asked = check.asked
    account = registry.accounts.get(asked.nick) if isinstance(asked, commands.Login | commands.Unregister) else None
    if account is None or account.hash != check.hash or not verdict.is_right:
        raise _wrong()
    return account


def _carried_out(
    registry: Registry, session: Session, check: CheckSecret, verdict: Verdict, now: float
) -> list[Effect]:
    asked = check.asked
    account = _account(registry, session, asked)
    if verdict.refusal is not None:
        raise verdict.refusal
    if isinstance(asked, commands.Register):
        cloak = "" if session.network.is_exempt else registry.rooms.cloaks.of(session.network.name)
        account = Account(_nick(session, asked), verdict.hash, verdict.lineage, now, cloak)
        registry.accounts.add(account)
        told = [SaveAccount(account.name, account), *registry.log_in(session, account)]
        return [*told, *_done(session, sentences.registered(account.name), asked.id, account.name)]
    assert account is not None
    if account.hash != check.hash or not verdict.is_right:
        raise _wrong()
    match asked:
        case commands.Login():
            logged_in = registry.log_in(session, account, leaves=asked.leave == "current")
            return [*logged_in, *_done(session, sentences.logged_in(account.name), asked.id, account.name)]
        case commands.Passwd():
            changed = structs.replace(account, hash=verdict.hash)
            registry.accounts.add(changed)
            done = Done(f"The secret of {account.name} is changed", asked.id)
            return [SaveAccount(account.name, changed), Deliver(session.id, done)]
        case commands.Unregister():
            done = Done(sentences.unregistered(account.name), asked.id)
            return [*removed(registry, account), Deliver(session.id, done)]


def adding(registry: Registry, name: str, secret: str) -> CheckSecret:
    """Return what is to be done for an account that the operator makes. Raises Refusal."""
    if registry.limits.registration == "closed":
        raise Refusal(Code.BAD_COMMAND, 'No accounts are made on this server: [auth] registration is "closed"')
    nick = registry.check_account(name)
    return CheckSecret(0, commands.Register(nick), new=accounts.good(secret, nick))


def added(registry: Registry, check: CheckSecret, verdict: Verdict, now: float) -> tuple[Account, list[SaveAccount]]:
    """Add that account. Raises Refusal. A user who has the nick now keeps it until the account's user logs in."""
    assert isinstance(check.asked, commands.Register)
    if verdict.refusal is not None:
        raise verdict.refusal
    account = Account(registry.check_account(check.asked.nick), verdict.hash, verdict.lineage, now)
    registry.accounts.add(account)
    return account, [SaveAccount(account.name, account)]


def removed(registry: Registry, account: Account) -> list[Effect]:
    """Remove an account; its user is logged out, and keeps the nick while nobody else takes it."""
    session = registry.session_of(account)
    registry.accounts.remove(account.name)
    effects: list[Effect] = [SaveAccount(account.name, None), *standing.forgotten(registry.rooms, account.lineage)]
    if session is not None:
        effects += [*registry.log_out(session, keeps_nick=True), Deliver(session.id, AccountIs(""))]
    return effects


# --- Steps of these --------------------------------------------------------------------------------------------------


def _account(registry: Registry, session: Session, command: Proving) -> Account | None:
    """Return the account that a command is about, None for one that is yet to be made. Raises Refusal."""
    _check_private(registry, is_private=session.is_private)
    match command:
        case commands.Register():
            if session.account:
                raise Refusal(Code.BAD_COMMAND, f"You are logged in as {session.account}; /logout ends that")
            if registry.limits.registration != "open":
                raise Refusal(Code.BAD_COMMAND, "Users cannot register here; ask the operator of the server")
            registry.order.check_registration(_nick(session, command))
            registry.check_nick(session, _nick(session, command))
            registry.accounts.check_place(session.network, registry.rooms.cloaks.of(session.network.name))
            return None
        case commands.Login():
            account = registry.accounts.find(command.nick)
            if session.account:
                raise Refusal(Code.BAD_COMMAND, f"You are logged in as {session.account} already; /logout ends that")
            registry.order.check_entry(session.lineage, account.name)
            return account
        case commands.Passwd():
            return registry.accounts.find(_logged_in(session))
        case commands.Unregister():
            return registry.accounts.find(command.nick or _logged_in(session))


def _nick(session: Session, command: Proving) -> str:
    nick = command.nick if isinstance(command, commands.Register) else ""
    if not (nick or session.has_nick):
        raise Refusal(Code.BAD_COMMAND, "Take a nick first: /nick NAME")
    return nick or session.name


def _logged_in(session: Session) -> str:
    if not session.account:
        raise Refusal(Code.BAD_COMMAND, "You are not logged in; /login NAME logs in")
    return session.account


def _check_private(registry: Registry, *, is_private: bool) -> None:
    if not (is_private or registry.limits.allow_plaintext):
        why = "Not taken: others can read what you send without TLS; connect with gchat-client --tls or ncat --ssl"
        raise Refusal(Code.UNSAFE, why)


def _wrong() -> Refusal:
    return Refusal(Code.WRONG_SECRET, "That is not the secret")


def _done(session: Session, message: str, id_: str, account: str) -> list[Effect]:
    return [Deliver(session.id, Done(message, id_)), Deliver(session.id, AccountIs(account))]

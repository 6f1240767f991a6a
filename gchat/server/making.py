"""Making something by command (a hook, a token, an account): through the running server, else into its files.

The lock that a server holds on its history decides. While a server holds it, the command is a request to its admin
endpoint with the admin token, and takes effect at once. While nobody does, the command takes the lock itself and puts
notes into the history, which the next server finds; a server that starts meanwhile waits for the moment. So there is
never a second writer. Without a history on disk (--memory) there must be a running server.

To add a command: a resource with a POST in gchat.admin, whose answer is a Struct; a function that does the same to
Notes; a Making of both; and in cli.py an option that calls make() and prints what it returns. A `store` that writes a
file of its own may do so: it holds the lock as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import gevent
import msgspec
from msgspec import Struct

from gchat.admin.responses import JSON
from gchat.journal.notes import Notes
from gchat.journal.parts import parts_of
from gchat.server.history import HistoryError, HistoryInUse, open_journal
from gchat.server.http_post import Answered, NotThere, Target, post
from gchat.server.listener import StartError
from gchat.server.settings import Config
from gchat.server.start_checks import admin_place
from gchat.server.state_files import history_path, token_path

#: A server that is just starting, or ending, is waited for so long.
BETWEEN_S = 3.0

#: The running server answers within this time, which is more than its own deadline of an action.
ANSWER_S = 10.0

Made = TypeVar("Made")


class Making(Struct, Generic[Made], frozen=True):
    """Something to make: the POST that does it, the type of its answer, and what does the same without a server.

    `store` returns what the answer would be, and raises GchatError if that cannot be made.
    """

    path: str  # "/hooks"
    body: Struct
    answer: type[Made]
    store: Callable[[Notes], Made]


def make(config: Config, making: Making[Made]) -> Made:
    """Make something in the server that has this configuration, running or not. Waits. Raises StartError."""
    place = config.server.host, config.server.port
    if "/" not in config.server.host and not config.server.port and not config.history.path:
        raise StartError("the port is 0, so it is not known which server is meant; type the port that it has")
    history = history_path(config, *place)
    gives_up_at = time.monotonic() + BETWEEN_S
    while True:
        if history:
            try:
                return _store(config, history, making.store)
            except HistoryInUse:
                pass
            except HistoryError as error:
                raise StartError(str(error)) from None
        try:
            return _request(config, making)
        except NotThere:
            if not history:
                where = "in the engine" if config.cluster.url else "in memory only"
                raise StartError(
                    f"no server answers at {admin_place(config)}, and its history would be {where}; start it first"
                ) from None
            if time.monotonic() > gives_up_at:
                raise StartError(
                    f"a server is using {history}, but nothing listens at {admin_place(config)}; type --admin "
                    "HOST:PORT as the server has it, or stop the server first"
                ) from None
        gevent.sleep(0.1)


def url_of(config: Config, path: str) -> str:
    """Return the URL of a path of the endpoint, as other programs know it."""
    if config.admin.public_url:
        return config.admin.public_url.rstrip("/") + path
    place = admin_place(config)
    scheme = "https" if _has_tls(config) else "http"
    return f"{scheme}://{'localhost' if place.is_path else place}{path}"


def _store(config: Config, path: str, store: Callable[[Notes], Made]) -> Made:
    """Put something into a history that no server uses. Raises HistoryError, StartError."""
    parts = parts_of(open_journal(config, path))
    try:
        made = store(parts.notes)
        parts.maintenance.tidy(time.time(), time.monotonic())
        if parts.condition.trouble:
            raise StartError(f"cannot store anything in {path}: {parts.condition.trouble}")
        return made
    finally:
        parts.log.close()


def _request(config: Config, making: Making[Made]) -> Made:
    """Ask the running server. Raises NotThere: none listens where its endpoint should be, and StartError."""
    place = admin_place(config)
    if not config.admin.enabled or not (place.is_path or place.port):
        what = "is turned off" if not config.admin.enabled else "is on a port that is not known"
        raise StartError(
            f"a server is running, and its admin endpoint {what}, so it cannot be told; type --admin HOST:PORT as the "
            "server has it, or stop the server first"
        )
    headers = {"Content-Type": JSON, "Authorization": f"Bearer {_token(config)}"}
    body = msgspec.json.encode(making.body)
    try:
        target = Target(place.host, place.port, _tls(config), server_name="localhost")
        answer = post(target, making.path, body, headers, ANSWER_S)
    except NotThere:
        raise
    except OSError as error:
        raise StartError(f"the admin endpoint at {place} cannot be asked: {error}") from None
    if answer.status // 100 != 2:
        raise StartError(f"the admin endpoint at {place} refuses: {_refusal(answer)}")
    try:
        return msgspec.json.decode(answer.body, type=making.answer)
    except msgspec.DecodeError:
        raise StartError(f"what answers at {place} is not the admin endpoint of this gchat") from None


def _tls(config: Config) -> Any:
    """Return how TLS is spoken with the endpoint: it must have the certificate that is configured. Raises OSError."""
    if not _has_tls(config):
        return None
    from gevent import ssl  # noqa: PLC0415  # it loads OpenSSL

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # what is in the file is trusted, whoever has signed it
    context.load_verify_locations(config.tls.cert)
    return context


def _has_tls(config: Config) -> bool:
    return bool(config.tls.cert) and not admin_place(config).is_path


def _token(config: Config) -> str:
    """Return the admin token. Raises NotThere: none was ever made, and StartError."""
    from gchat.admin.token_file import TokenError, load_or_make  # noqa: PLC0415  # a server without an endpoint has none

    path = token_path(config, config.server.host, config.server.port)
    if not os.path.lexists(path):
        if not history_path(config, config.server.host, config.server.port):
            raise NotThere(f"there is no token file {path}")  # nothing says that a server is running
        raise StartError(f"a server is running, but there is no token file {path}; type the server's own address")
    try:
        token, _ = load_or_make(path)
    except TokenError as error:
        raise StartError(str(error)) from None
    if not token:
        raise StartError(f"a server is running, but the token file {path} is empty; put a token into it, or delete it")
    return token


def _refusal(answer: Answered) -> str:
    """Return what the endpoint says, in its own sentence if it has one."""
    try:
        return str(msgspec.json.decode(answer.body)["detail"])
    except (msgspec.DecodeError, LookupError, TypeError):
        return f"status {answer.status}"

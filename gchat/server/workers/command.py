"""`gchat-server --workers N`, put together: places, the engine, the nodes, and the supervisor of all."""

from __future__ import annotations

import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Protocol

from msgspec import Struct

from gchat.model.errors import GchatError
from gchat.server import logs
from gchat.server.activation import Sockets
from gchat.server.app import STOP_S
from gchat.server.listener import StartError, disown_files
from gchat.server.logs import logger
from gchat.server.settings import Config
from gchat.server.start_checks import check_files
from gchat.server.state_files import history_path, path_of
from gchat.server.workers.child import Child
from gchat.server.workers.own_engine import OwnEngine
from gchat.server.workers.signs import Signs
from gchat.server.workers.supervisor import Supervisor
from gchat.server.workers.worker_place import WorkerPlace

#: How often an engine that is starting is asked whether it answers.
START_PAUSE_S = 0.02


class Serve(Protocol):
    """The server itself, in a process that is a node."""

    def __call__(self, load: Callable[[], Config], config: Config, passed: Sockets, *, is_quiet: bool) -> int:
        """Serve, and return the exit code; `load` reads the configuration again."""


class _DirectOutput:
    """The log of a supervisor, which has no thread that could wait for a reader: what is not taken at once is lost."""

    def write(self, lines: bytes) -> None:
        """See logs.LineOutput."""
        poll = select.poll()
        poll.register(2, select.POLLOUT)
        try:
            if poll.poll(0):
                os.write(2, lines)
        except OSError:
            pass


class _Node(Struct, frozen=True):
    """What a node is made of."""

    config: Config
    load: Callable[[], Config]
    place: WorkerPlace
    signs: str  # where it tells that it listens
    serve: Serve
    is_quiet: bool

    def run(self, number: int) -> int:
        """Be this node: what its process does, until it ends."""
        disown_files()  # the sockets' files are the supervisor's
        os.environ["NOTIFY_SOCKET"] = self.signs
        os.environ.pop("WATCHDOG_PID", None)
        engine = self.config.cluster.url

        def load_again() -> Config:
            return self.place.config_of(self.load(), number, engine)

        try:
            config = load_again()
        except GchatError as error:  # it was right when all began
            logger.error("node %(number)d: %(reason)s; it keeps what was", {"number": number, "reason": str(error)})
            config = self.place.config_of(self.config, number, engine)
        # The conversation is shown once.
        return self.serve(load_again, config, self.place.shared, is_quiet=self.is_quiet or number > 1)


def run_workers(
    count: int,
    config: Config,
    load: Callable[[], Config],
    passed: Sockets,
    serve: Serve,
    *,
    is_quiet: bool,
    ends_with_terminal: bool,
) -> int:
    """Run so many nodes until a signal stops them; return the exit code. Raises StartError."""
    place = WorkerPlace(config, passed)
    own: OwnEngine | None = None
    directory = ""
    signs: Signs | None = None
    try:
        old_history = history_path(config, place.chat.host, place.chat.port)
        if not config.cluster.url:
            own = OwnEngine(path_of("engine", place.chat.host, place.chat.port))
            config.cluster.url = own.url
        else:
            directory = tempfile.mkdtemp(prefix="gchat-")
        check_files(config)
        logs.start(_DirectOutput(), config.log.level, config.log.format)
        if own and own.is_new and old_history and os.path.exists(old_history):
            hint = (
                "this is a new history; to continue the one in %(path)s, stop, and type --workers N --import %(path)s"
            )
            logger.warning(hint, {"path": old_history})
        signs = Signs(own.sockets if own else directory)
        node = _Node(config, load, place, signs.path, serve, is_quiet)
        nodes = [
            Child(f"node {number}", partial(node.run, number), orphan_signal=signal.SIGINT)
            for number in range(1, count + 1)
        ]
        engine = Child("the engine", own.run, orphan_signal=signal.SIGTERM) if own else None
        supervisor = Supervisor(nodes, engine, own, signs)
        return supervisor.run(
            str(place.chat), lambda: STOP_S + config.server.drain_s, ends_with_terminal=ends_with_terminal
        )
    finally:
        if signs is not None:
            signs.close()
        if own is not None:
            own.close()
        shutil.rmtree(directory, ignore_errors=True)
        place.close()


def with_engine(config: Config, work: Callable[[], int]) -> int:
    """Do something while the engine of the workers runs, and they do not. Raises StartError."""
    if "/" not in config.server.host and not config.server.port:
        raise StartError("the port is 0, so it is not known which server is meant; type the port that it has")
    own = OwnEngine(path_of("engine", config.server.host, config.server.port))
    engine = Child("the engine", own.run, orphan_signal=signal.SIGTERM)
    own.note_start()
    engine.start()
    try:
        while not own.answers():
            if os.waitpid(engine.pid, os.WNOHANG)[0]:
                engine.ended()
                raise StartError(f"cannot start the engine of --workers: {own.why() or 'it ended at once'}")
            time.sleep(START_PAUSE_S)
        config.cluster.url = own.url
        return work()
    finally:
        if engine.pid:
            engine.send(signal.SIGTERM)
            os.waitpid(engine.pid, 0)
        own.close()

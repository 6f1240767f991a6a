"""The endpoint in a process of its own, whose users do what a test says.

    with Stage() as stage:
        alice = stage.does("joins", nick="alice")
        stage.does("leaves", user=alice, reason="quit")

`does` calls a method of the backend there, `knows` reads one of its attributes. `python -m tests.admin.page.stage`
is the process: a question a line, an answer a line.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any, Self

import msgspec
from gevent.fileobject import FileObject

from gchat.admin import access
from gchat.admin.documents import HistoryInfo, NodeInfo, RoomSummary, ServerInfo, UserInfo
from gchat.chat.order_actions import Wish
from tests.admin.fake_backend import FakeBackend, listen, serve
from tests.e2e.harness import DEADLINE_S


class Stage:
    """An endpoint on 127.0.0.1, on `port` or a free one."""

    def __init__(self, port: int = 0) -> None:
        self.port = port

    def __enter__(self) -> Self:
        self.starts()
        return self

    def __exit__(self, *_: object) -> None:
        self.dies()

    def starts(self) -> None:
        """Start it, on the port where it was before."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.admin.page.stage", str(self.port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout
        self.port = int(self.process.stdout.readline())

    def dies(self) -> None:
        """End it as a crash would."""
        self.process.kill()
        self.process.communicate(timeout=DEADLINE_S)

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.port}/"

    def does(self, method: str, **arguments: object) -> Any:
        """Call a method of the backend, return what it returns."""
        return self._ask({"does": method, "with": arguments})

    def knows(self, attribute: str) -> Any:
        """Return an attribute of the backend."""
        return self._ask({"knows": attribute})

    def _ask(self, question: object) -> Any:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(question).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Actor(FakeBackend):
    """A backend with hostile corners: every text that the page shows can be set."""

    def __init__(self) -> None:
        super().__init__(users=0)
        self.name = "gchat"
        self.state = "ok"
        self.topics: dict[str, str] = {}

    def sets(self, **values: object) -> None:
        """Set attributes."""
        for name, value in values.items():
            setattr(self, name, value)

    def is_far(self) -> None:
        """Take everybody on 127.0.0.1 for another machine from now on."""
        access.is_loopback = lambda peer: peer != "127.0.0.1"  # type: ignore[assignment]

    def bans_now(self, kind: str, value: str, reason: str, for_s: float) -> None:
        """Have somebody banned, whatever the value is."""
        self.ban(kind, value, Wish(for_s, reason), "admin")

    def users_now(self) -> list[UserInfo]:
        """Return the users online."""
        return list(self.users_online.values())

    def has_nodes(self, lags: dict[str, float]) -> None:
        """Be a node of a cluster, the first of these, which are so far behind."""
        own, started = next(iter(lags)), "2026-11-28T04:00:00.000Z"
        self.all_nodes = [
            NodeInfo(f"{name}-0000a", name, name == own, 1, 1, 10, lag_s, started) for name, lag_s in lags.items()
        ]

    def crowd(self, count: int) -> None:
        """Have many come."""
        for i in range(count):
            self.joins(nick=f"user{i}")

    def makes_room(self, name: str, topic: str) -> None:
        """Have a room with somebody in it."""
        self.log.setdefault(name, [])
        self.topics[name] = topic
        self.joins(nick=f"in {len(self.log)}", room=name)

    def server(self) -> ServerInfo:
        """Return how it is, under the name that was set."""
        return msgspec.structs.replace(super().server(), name=self.name)

    def history(self) -> HistoryInfo:
        """Return the state that was set."""
        return HistoryInfo(store="memory", state=self.state)

    def rooms(self) -> list[RoomSummary]:
        """Return the rooms with the topics that were set."""
        return [msgspec.structs.replace(room, topic=self.topics.get(room.name, "")) for room in super().rooms()]


def main(port: int) -> None:
    """Serve until stdin ends."""
    actor = Actor()
    server = serve(actor, listen(port=port))
    server.start()
    out = FileObject(sys.stdout.fileno(), "wb", closefd=False)
    out.write(f"{server.address[1]}\n".encode())
    out.flush()
    for line in FileObject(sys.stdin.fileno(), "rb", closefd=False):
        question = json.loads(line)
        if "does" in question:
            answer = getattr(actor, question["does"])(**question["with"])
        else:
            answer = getattr(actor, question["knows"])
        out.write(msgspec.json.encode(answer) + b"\n")
        out.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))

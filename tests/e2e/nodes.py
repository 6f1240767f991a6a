"""Several nodes that share an engine, each a server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from tests.cluster.engines import EngineProcess
from tests.e2e.harness import Server, wait_until

NAMESPACE = "test"

#: A server whose lease, and whose users' grace, is 3 s in place of 15.
SHORT_LEASE = Path(__file__).parent / "server_short_lease.py"

_SETTINGS = {
    "limits_messages_per_s": 0,
    "limits_connections_per_ip": 0,
    "admin_enabled": "true",
    "admin_port": 0,
}


def node(url: str, name: str, script: Path | None = None, **settings: Any) -> Server:
    """Return a node of this name of the cluster whose engine is at `url`."""
    settings = {**_SETTINGS, "cluster_namespace": NAMESPACE, **settings}
    return Server(script=script, cluster_url=url, cluster_name=name, **settings)


class Pair:
    """Two nodes, `one` and `two`, and their engine."""

    def __init__(self, script: Path | None = None, **settings: Any) -> None:
        self.engine = EngineProcess()
        self._end = ExitStack()
        self._how = (script, settings)

    def __enter__(self) -> Self:
        with ExitStack() as end:
            end.enter_context(self.engine)
            self.one = end.enter_context(self.node("one"))
            self.two = end.enter_context(self.node("two"))
            self._end = end.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:  # noqa: PYI036  # handed on
        self._end.__exit__(*error)

    @property
    def both(self) -> tuple[Server, Server]:
        """The nodes."""
        return self.one, self.two

    def node(self, name: str, url: str = "") -> Server:
        """Return one more node, or one that comes again; it is not started."""
        script, settings = self._how
        return node(url or self.engine.url, name, script, **settings)


class WireProcess:
    """A wire to the engine, in a process of its own, so that it is cut by standing still."""

    def __init__(self, engine: EngineProcess, directory: Path) -> None:
        self._engine = engine
        self._out = directory / "wire"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.torture.cluster", str(self._engine.path)]
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(command, stdout=out, cwd=Path(__file__).parents[2])
        wait_until(lambda: self._out.read_text().endswith("\n"), "the wire is there")
        self.url = self._out.read_text().strip()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

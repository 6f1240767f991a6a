"""Processes: a server on one core, the load generator on another, and what /proc says of the server meanwhile."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

HERE = Path(__file__).resolve().parent
TOP = HERE.parent.parent

#: A server must accept its first connection within this.
START_S = 15.0

#: An attack must be under way within this.
PREPARATION_S = 60.0

_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = _CORES[0], _CORES[1 % len(_CORES)]


class Failure(Exception):
    """A run that came to no figures: says why, for the table."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A server that can be measured; `command` makes its command line: port, temporary directory, number of clients."""

    name: str
    command: Callable[[int, Path, int], list[str]]
    mode: str = "plain"
    greets: bool = False  # sends something to everybody who joins
    environment: Mapping[str, str] = field(default_factory=dict)
    longest: int = 8000  # bytes of text that it relays
    tls: bool = False  # users connect in TLS


@dataclass(frozen=True, slots=True)
class Ask:
    """What the load generator is asked to do; see load.c."""

    clients: int
    senders: int = 10
    silent: int = 0
    rate: float = 0.0
    size: int = 80
    seconds: float = 3.0
    rooms: int = 1  # that everybody is in, in the rich dialect
    busy: int = 1  # those of them in which something is said
    pace: float = 0.0  # seconds from one client that joins to the next
    window: int = 64  # messages on their way at a time, where there is no rate
    second: int = 0  # the port of another node, where every second client is


@dataclass(slots=True)
class Run:
    """One run and its figures; with a `failure`, there are none."""

    case: str
    server: str
    ask: Ask
    failure: str = ""
    attack: str = ""
    deliveries_per_s: float = 0.0
    cpu_us_per_delivery: float = 0.0
    server_cpu: float = 0.0  # 1.0: a whole core
    load_cpu: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    expected: int = 0
    missing: int = 0  # never delivered, and nobody said so
    skipped: int = 0  # not delivered either, but the reader was told
    closed: int = 0
    silent_closed: int = 0
    silent_told: int = 0  # messages that silent clients were told they missed
    silent_skips: int = 0  # notices by which they were told so
    silent_know: int = 0  # silent clients that got, or were told once in each room they missed, exactly what was said
    kib_per_connection: float = 0.0
    rss_mib: float = 0.0
    tcp_mib: float = 0.0  # the kernel's memory for TCP, more than before the run


@dataclass(slots=True)
class Figure:
    """Something measured by itself, several times; what is `judged` of the values is compared with what is wanted."""

    what: str
    unit: str
    values: list[float]
    wanted: float
    judged: Callable[[list[float]], float] = statistics.median
    more: bool = False  # is better

    @property
    def reached(self) -> bool:
        """Whether it is as was wanted."""
        judged = self.judged(self.values)
        return judged >= self.wanted if self.more else judged <= self.wanted


def p99(values: list[float]) -> float:
    """What one of a hundred values is above."""
    return sorted(values)[int(len(values) * 0.99)]


def descriptors() -> int:
    """Take, for us and our children, as many descriptors as are allowed; return how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        hard = 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    return hard


def compiler() -> str | None:
    """The C compiler."""
    return next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), None)


def compile_c(source: Path, directory: Path, *options: str) -> str:
    """Return the path of the program made from `source`. Raises CalledProcessError."""
    program = directory / source.stem
    subprocess.run([compiler() or "cc", "-O2", "-o", str(program), str(source), *options], check=True)
    return str(program)


def compile_load(directory: Path) -> tuple[str, bool]:
    """Return the path of the load generator, and whether it can do TLS."""
    source = HERE / "load.c"
    with suppress(subprocess.CalledProcessError):
        return compile_c(source, directory, "-DHAVE_TLS", "-lssl", "-lcrypto"), True
    return compile_c(source, directory), False  # OpenSSL is not there to be compiled with


def start(command: list[str], core: int, **options: Any) -> subprocess.Popen[str]:
    """Start a process that runs on `core` only, from its first instruction on."""
    mine = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return subprocess.Popen(command, text=True, **options)
    finally:
        os.sched_setaffinity(0, mine)


def connect(port: int, ends_at: float, alive: Callable[[], bool], source: str = "") -> socket.socket:
    """Connect as soon as somebody listens, from the address `source` if it is given. Raises Failure."""
    while alive() and time.monotonic() < ends_at:
        try:
            return socket.create_connection(("127.0.0.1", port), START_S, (source, 0) if source else None)
        except ConnectionRefusedError:
            time.sleep(0.001)
    raise Failure("did not start")


class Measured(Protocol):
    """What the load generator comes to, and what is measured of it meanwhile."""

    @property
    def kind(self) -> Kind: ...

    @property
    def port(self) -> int: ...

    def cpu_s(self) -> float:
        """The CPU time used so far."""

    def rss_kib(self) -> int:
        """The resident memory."""


class Server:
    """A running server, alone with its temporary directory."""

    def __init__(self, kind: Kind, clients: int) -> None:
        self.kind = kind
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._directory = tempfile.TemporaryDirectory(prefix="gchat-bench-", ignore_cleanup_errors=True)
        directory = self.directory = Path(self._directory.name)
        directory.chmod(0o755)  # for those who change their user
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GCHAT_")}
        self.started_at = time.monotonic()
        self.process = start(
            kind.command(self.port, directory, clients),
            SERVER_CORE,
            cwd=TOP,
            env={**environment, "XDG_STATE_HOME": str(directory), **kind.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        try:
            self.connect().close()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()  # nothing that it would save is wanted
        self.process.wait()
        self._directory.cleanup()

    def connect(self, source: str = "") -> socket.socket:
        """Connect, waiting for the server to listen if need be; `source` is the local address, as 127.0.0.7."""
        return connect(self.port, self.started_at + START_S, lambda: self.process.poll() is None, source)

    def cpu_s(self) -> float:
        """The CPU time used so far."""
        return process_cpu_s(self.process.pid)

    def rss_kib(self) -> int:
        """The resident memory."""
        found = re.search(r"VmRSS:\s+(\d+)", _read(f"/proc/{self.process.pid}/status"))
        return int(found[1]) if found else 0


def process_cpu_s(pid: int) -> float:
    """The CPU time that a process has used so far, to the nanosecond: by Linux's clock of that process.

    (/proc tells it in hundredths of a second, which are several percent of a short run.)
    """
    return time.clock_gettime(~pid << 3 | 2)  # CPUCLOCK_SCHED of all its threads; see clock_getcpuclockid(3)


def tcp_kib() -> int:
    """The kernel's memory for all TCP sockets of this machine."""
    found = re.search(r"TCP:.* mem (\d+)", _read("/proc/net/sockstat"))
    return int(found[1]) * os.sysconf("SC_PAGE_SIZE") // 1024 if found else 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        raise Failure("the server ended") from None


@contextmanager
def attacked(server: Server, attack: str, seconds: float, share: float = 1.0) -> Iterator[subprocess.Popen[str]]:
    """Attack a server (see attacks.py) for the time of the context; `seconds` of it count, the rest is preparation."""
    where = [str(server.port), str(server.directory), str(server.process.pid)]
    command = [sys.executable, str(HERE / "attacks.py"), attack, *where, str(seconds + PREPARATION_S), str(share)]
    process = start(command, LOAD_CORE, stdout=subprocess.PIPE, start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Generator:
    """The load generator: load.c, or load.py where there is no compiler."""

    def __init__(self, directory: Path, settle_s: float) -> None:
        self.is_c = compiler() is not None
        program, self.has_tls = compile_load(directory) if self.is_c else ("", False)
        self._program = [program] if self.is_c else [sys.executable, str(HERE / "load.py")]
        self._settle_s = settle_s

    @contextmanager
    def started(self, server: Measured, ask: Ask, *, idle: bool = False) -> Iterator[Iterator[dict[str, Any]]]:
        """Start it; yield its phases. It gets as long as it may reasonably need, and is then killed."""
        values = {name: getattr(ask, name) for name in Ask.__slots__}
        values |= {"port": server.port, "settle": self._settle_s, "greets": int(server.kind.greets), "idle": int(idle)}
        if server.kind.tls:
            values["tls"] = 1
        arguments = [text for name, value in values.items() for text in (f"--{name}", str(value))]
        command = [*self._program, "--mode", server.kind.mode, *arguments]
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        allowed_s = 60 + ask.seconds + (ask.clients + ask.silent) / 100
        process = start(command, LOAD_CORE, **pipes)
        overdue = threading.Timer(allowed_s, process.kill)
        overdue.start()
        try:
            yield self._phases(process, allowed_s)
        finally:
            overdue.cancel()
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    pipe.close()

    def _phases(self, process: subprocess.Popen[str], allowed_s: float) -> Iterator[dict[str, Any]]:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            phase = json.loads(line)
            yield phase
            if phase["phase"] == "done":
                return
        complaint = process.stderr.read().strip()
        raise Failure(complaint or f"not done in {allowed_s:.0f} s" if process.wait() else "no result")

    def measure(self, case: str, kind: Kind, ask: Ask, attack: str = "") -> Run:
        """Measure one run of one server, in a new process, perhaps under an attack. A failure is a result too."""
        run = Run(case, kind.name, ask, attack=attack)
        try:
            with Server(kind, ask.clients + ask.silent) as server, ExitStack() as stack:
                if attack:
                    stack.enter_context(attacked(server, attack, ask.seconds))
                try:
                    self._measure(server, run)
                except Failure as failure:
                    code = server.process.poll()
                    raise failure if code is None else Failure(f"it ended with {code}; {failure}") from None
        except Failure as failure:
            run.failure = str(failure)
        return run

    def _measure(self, server: Measured, run: Run) -> None:
        ask, cpu_s, rss_kib, tcp_before = run.ask, 0.0, server.rss_kib(), tcp_kib()
        with self.started(server, ask) as phases:
            for phase in phases:
                match phase["phase"]:
                    case "idle":
                        run.kib_per_connection = (server.rss_kib() - rss_kib) / (ask.clients + ask.silent)
                    case "measuring":
                        cpu_s, at = server.cpu_s(), time.monotonic()
                    case "measured":
                        cpu_s = server.cpu_s() - cpu_s
                        run.server_cpu = cpu_s / (time.monotonic() - at)
                        run.rss_mib = server.rss_kib() / 1024
                        run.tcp_mib = max(0, tcp_kib() - tcp_before) / 1024
                    case "done":
                        run.deliveries_per_s = phase["deliveries"] / phase["seconds"]
                        run.cpu_us_per_delivery = cpu_s * 1e6 / phase["deliveries"] if phase["deliveries"] else 0.0
                        run.p50_ms, run.p99_ms, run.max_ms = (
                            phase[f"{name}_us"] / 1000 for name in ("p50", "p99", "max")
                        )
                        for name in phase.keys() & set(Run.__slots__):  # those that need no conversion
                            setattr(run, name, phase[name])

"""The load generator where there is no C compiler: the same phases and figures as load.c, plain lines only, slow."""

from __future__ import annotations

import argparse
import json
import re
import select
import socket
import sys
import time

MARK = re.compile(rb"@@([0-9a-f]{16})")


def main() -> None:
    """Join, settle, send, measure; see load.c."""
    options = _options()
    load = Load(options)
    load.join()
    load.settle(options.settle, 120)
    _say("idle")
    if options.idle:
        load.poll.register(sys.stdin, select.POLLIN)
        while load.turn(1000):
            pass
        _say("done", closed=load.closed)
        return
    load.measure()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--mode", choices=["plain"])
    for name in ("port", "clients", "senders", "silent", "size", "greets", "idle", "rooms", "busy", "second", "window"):
        parser.add_argument(f"--{name}", type=int, required=True)
    for name in ("rate", "seconds", "settle", "pace"):
        parser.add_argument(f"--{name}", type=float, required=True)
    return parser.parse_args()


def _say(phase: str, **figures: float) -> None:
    print(json.dumps({"phase": phase, **figures}), flush=True)


class Load:
    """The clients, and what came to them."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.poll = select.poll()
        self.clients: dict[int, socket.socket] = {}
        self.senders: list[socket.socket] = []
        self.silent: list[socket.socket] = []
        self.tails: dict[int, bytes] = {}
        self.heard: set[int] = set()
        self.latencies_us: list[float] = []
        self.sent = self.delivered = self.bytes_in = self.closed = 0
        self.counting = False

    def join(self) -> None:
        """Connect everybody, and wait until all are greeted if the server does that."""
        options = self.options
        for number in range(options.clients + options.silent):
            time.sleep(options.pace)
            sock = socket.socket()
            if number >= options.clients:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sock.connect(("127.0.0.1", options.second if options.second and number % 2 else options.port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setblocking(False)
            if number >= options.clients:
                self.silent.append(sock)
                continue
            self.clients[sock.fileno()] = sock
            self.tails[sock.fileno()] = b""
            self.poll.register(sock, select.POLLIN)
            if number < options.senders:
                self.senders.append(sock)
        ends_at = time.monotonic() + 60
        while options.greets and len(self.heard) < len(self.clients) and time.monotonic() < ends_at:
            self.turn(50)

    def turn(self, timeout_ms: int) -> bool:
        """Read what came; return whether stdin still stands."""
        for descriptor, _ in self.poll.poll(timeout_ms):
            if descriptor == 0:
                return False
            self._receive(descriptor)
        return True

    def _receive(self, descriptor: int) -> None:
        try:
            data = self.clients[descriptor].recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self.poll.unregister(descriptor)
            self.closed += 1
            return
        self.heard.add(descriptor)
        self.bytes_in += len(data)
        data = self.tails[descriptor] + data
        half = data.find(b"@", max(0, len(data) - 17))
        self.tails[descriptor] = data[half:] if half >= 0 else b""
        marks = MARK.findall(data)
        self.delivered += len(marks)
        if self.counting:
            now = time.monotonic_ns()
            self.latencies_us += [(now - int(mark, 16)) / 1000 for mark in marks]

    def settle(self, quiet_s: float, most_s: float, enough: int = 0) -> None:
        """Go on until nothing came for `quiet_s`, or for `most_s`, or until `enough` was delivered."""
        last = started = time.monotonic()
        before = self.bytes_in
        while (now := time.monotonic()) - last < quiet_s and now - started < most_s:
            if enough and self.delivered >= enough:
                return
            self.turn(5)
            if self.bytes_in != before:
                before, last = self.bytes_in, time.monotonic()

    def measure(self) -> None:
        """Warm up, count for so many seconds, and wait for what is on its way."""
        options, fan = self.options, self.options.clients - 1
        self.delivered = 0
        self._send_for(min(0.5, options.seconds))
        sent, delivered = self.sent, self.delivered
        _say("measuring")
        from_s, cpu_s = time.monotonic(), time.process_time()
        self.counting = True
        self._send_for(options.seconds)
        self.counting = False
        wall_s, cpu_s = time.monotonic() - from_s, time.process_time() - cpu_s
        sent, delivered = self.sent - sent, self.delivered - delivered
        _say("measured")
        self.settle(1.5, 60, self.sent * fan)
        latencies = sorted(self.latencies_us) or [0.0]
        p50, p99, p999 = (latencies[int(len(latencies) * p)] for p in (0.5, 0.99, 0.999))
        _say(
            "done",
            seconds=wall_s,
            messages=sent,
            deliveries=delivered,
            load_cpu=cpu_s / wall_s,
            p50_us=p50,
            p99_us=p99,
            p999_us=p999,
            max_us=latencies[-1],
            expected=self.sent * fan,
            missing=self.sent * fan - self.delivered,
            skipped=0,
            closed=self.closed,
            silent_closed=0,
            silent_told=0,
            silent_skips=0,
            silent_know=0,
        )

    def _send_for(self, seconds: float) -> None:
        options, fan = self.options, self.options.clients - 1
        started, already = time.monotonic(), self.sent
        while (elapsed := time.monotonic() - started) < seconds:
            while (
                self.sent - already < elapsed * options.rate
                if options.rate
                else self.sent * fan - self.delivered < options.window * fan
            ):
                text = b"@@%016x" % time.monotonic_ns()
                self.senders[self.sent % len(self.senders)].send(text.ljust(options.size, b"x") + b"\n")
                self.sent += 1
            self.turn(1)


if __name__ == "__main__":
    main()

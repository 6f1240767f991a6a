"""What a checkpoint costs: python -m tests.chat.checkpoint_cost [USERS]."""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc
from collections.abc import Callable
from statistics import median

from gchat.chat import handlers
from gchat.chat.checkpoint import packed, restore, taken, unpacked
from gchat.chat.limits import Limits
from gchat.chat.networks import Network
from gchat.chat.registry import Registry
from gchat.model import commands
from gchat.model.hello import Hello
from tests.chat.talk import NOW

#: As a node in a cluster numbers sessions: the number of the node, and a count.
FIRST_ID = 777_777 << 32


def town(users: int, rooms: int) -> Registry:
    """Return a registry with users from an address each: in the lobby without a nick, or with one in two rooms."""
    registry = Registry(Limits())
    for number in range(users):
        host = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        hello = Hello(nick=f"user{number}") if rooms else None
        network = Network(host, is_exempt=False)
        user, _ = registry.connect(
            f"{host}:50123",
            hello,
            f"{number:022}",
            network=network,
            now=1000.5,
            node="web-0bdc1",
            id_=FIRST_ID + number,
        )
        if rooms:
            handlers.execute(registry, user, commands.Join(f"room{number % rooms}"), NOW)
    return registry


def _ms(call: Callable[[], object], times: int = 15) -> str:
    spent = []
    for _ in range(times):
        began = time.process_time()
        call()
        spent.append((time.process_time() - began) * 1000)
    return f"{min(spent):6.1f} ms of CPU at best, {median(spent):6.1f} ms in the median"


def main(users: int) -> None:
    for title, rooms in (("without nicks, in the lobby", 0), ("with nicks and tokens, in two rooms of 500", 500)):
        registry = town(users, rooms)
        data = packed(taken(registry))
        fresh = Registry(Limits())
        gc.collect()
        tracemalloc.start()
        restore(fresh, unpacked(data))
        gc.collect()
        memory = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        print(f"{users:,} users {title}:")
        print(f"  {len(data) / users:.0f} bytes each as bytes, {memory / users:.0f} in the memory of another node")
        print(f"  taken and packed    {_ms(lambda: packed(taken(registry)))}")  # noqa: B023  # it is called at once
        print(f"  unpacked            {_ms(lambda: unpacked(data))}")  # noqa: B023
        print(f"  restored in place   {_ms(lambda: restore(registry, unpacked(data)), 5)}")  # noqa: B023
        print(f"  restored elsewhere  {_ms(lambda: restore(Registry(Limits()), unpacked(data)), 5)}")  # noqa: B023


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else 10_000)

"""How an engine and its replicas stand, as INFO replication tells it. Pure."""

from __future__ import annotations

from msgspec import Struct

from gchat.cluster.engine_url import Place


class Replication(Struct, frozen=True):
    """What an engine says of its replication.

    `history` names what was written, up to `offset`: of two engines with the same name, what the one with the smaller
    offset has is the beginning of what the other has.
    """

    is_primary: bool
    history: str
    offset: int
    is_linked: bool = True  # a replica: whether it gets what its primary writes
    replicas: tuple[Place, ...] = ()  # of a primary: those that get what it writes, the one that has most first


def replication(info: bytes) -> Replication:
    """Return what an engine answered to INFO replication."""
    lines = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    told = {key: value for key, sep, value in lines if sep}
    is_primary = told.get("role") == "master"
    replicas: list[tuple[int, Place]] = []
    for key, value in told.items():
        if key.startswith("slave") and key[5:].isdigit():
            of = dict(part.split("=", 1) for part in value.split(",") if "=" in part)
            if of.get("state") == "online":
                replicas.append((int(of.get("offset", 0)), (of["ip"], int(of["port"]))))
    return Replication(
        is_primary=is_primary,
        history=told.get("master_replid", ""),
        offset=int(told.get("master_repl_offset" if is_primary else "slave_repl_offset", 0)),
        is_linked=is_primary or told.get("master_link_status") == "up",
        replicas=tuple(place for _, place in sorted(replicas, reverse=True)),
    )


def has_all_of(replica: Replication, primary: Replication) -> bool:
    """Return whether a replica follows this primary, and has all that it had."""
    is_its = not replica.is_primary and replica.is_linked and replica.history == primary.history
    return is_its and replica.offset >= primary.offset

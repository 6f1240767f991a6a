"""Numbers of the server as it is now, looked up when they are asked for; each is one line here.

Counts since the start are in counters, but for one that is partly kept by the connections.
"""

from __future__ import annotations

from collections.abc import Iterator

from gchat.admin.documents import Measure
from gchat.server.linux import open_descriptors
from gchat.server.operated_server import OperatedServer


def gauges(app: OperatedServer) -> Iterator[Measure]:
    """Return all gauges."""

    def gauge(name: str, help_: str, value: float) -> Measure:
        return Measure(name, help_, "gauge", value)

    pump, rooms = app.pump, app.registry.rooms.values()
    yield gauge("gchat_users_online", "Users online now.", len(app.registry.sessions))
    yield gauge("gchat_rooms", "Rooms with members.", sum(bool(room.members) for room in rooms))
    yield gauge("gchat_slow_readers", "Users whose kernel buffer is full now.", slow_readers(app))
    yield gauge("gchat_hub_lag_seconds", "Largest delay of the event loop in the last second.", app.watch.lag_s())
    yield gauge("gchat_descriptors_open", "File descriptors in use.", open_descriptors())
    yield gauge("gchat_descriptors_max", "Limit of file descriptors.", app.capacity.descriptors)
    yield gauge("gchat_room_log_bytes", "Bytes held for slow readers in all rooms.", pump.fan_out.log_bytes)
    yield gauge("gchat_waiting_effects", "Effects queued in the pump.", pump.waiting)
    age = "Age of the oldest effect that the pump has not carried out."
    yield gauge("gchat_oldest_effect_seconds", age, pump.oldest_s())
    yield gauge("gchat_draining", "1 while users are sent elsewhere before the server stops.", app.drain.is_on)
    missed = "Messages that slow readers missed and were told about."
    yield Measure("gchat_skipped_messages", missed, "counter", skipped(app))
    if app.nodes is not None:
        yield from app.nodes.gauges()


def slow_readers(app: OperatedServer) -> int:
    """Return how many users' kernel buffers are full now."""
    return sum(connection.writer.is_behind for connection in app.roster.by_session.values())


def skipped(app: OperatedServer) -> int:
    """Return how many messages readers missed: those whose connections have ended, and those that are here."""
    return app.roster.skipped + sum(connection.skipped for connection in app.roster.by_session.values())

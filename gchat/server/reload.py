"""Settings taken over by a running server: all of them at its start, and those that SIGHUP finds changed."""

from __future__ import annotations

import socket
from typing import Protocol

from gchat.chat.limits import Limits
from gchat.journal.parts import Parts
from gchat.server import logs
from gchat.server.config import RELOADABLE, Config, changes
from gchat.server.listener import set_options
from gchat.server.logs import logger


class Reloadable(Protocol):
    """A running server, and its settings, which the code that uses them reads there."""

    config: Config
    limits: Limits
    parts: Parts
    listener: socket.socket


def apply(server: Reloadable) -> None:
    """Apply every setting; to apply one again changes nothing."""
    config, limits = server.config, server.limits
    limits.max_rooms = config.limits.max_rooms
    limits.nick_max = config.limits.nick_max
    limits.rates, limits.network_rates = config.limits.rates()
    limits.rooms_per_network = config.limits.rooms_per_network or None
    limits.connections_per_network = config.limits.connections_per_ip or None
    limits.exempt = config.limits.exempt
    limits.max_text_bytes = config.limits.max_line_bytes
    limits.announce_after_s = config.server.announce_after_s
    limits.presence_quiet_above = config.limits.presence_quiet_above
    limits.replay_on_join = config.history.replay_on_join
    limits.motd = config.server.motd
    limits.prompt = config.server.prompt
    announced = ("max_line_bytes", "messages_per_s", "burst", "nick_max")
    limits.announced = tuple((name, getattr(config.limits, name)) for name in announced)
    server.parts.retention.limit(config.history.keep_days * 86400, config.history.keep_messages)


def reload(server: Reloadable, config: Config) -> None:
    """Take over the settings of `config` that can change while the server runs, and log those that cannot."""
    changed_settings = changes(server.config, config)
    if not changed_settings:
        logger.info("configuration reloaded: nothing has changed")
    for section, key in changed_settings:
        value = getattr(getattr(config, section), key)
        if (section, key) in RELOADABLE:
            setattr(getattr(server.config, section), key, value)
            changed = {"setting": f"{section}.{key}", "value": value}
            logger.warning("configuration reloaded: %(setting)s is now %(value)s", changed)
        else:
            kept = {"setting": f"{section}.{key}"}
            logger.warning("configuration reloaded: %(setting)s changes only with a restart", kept)
    apply(server)
    logs.set_level(server.config.log.level)
    set_options(server.listener, server.config.limits.send_buffer_bytes)

"""Where all nodes of a supervisor listen, and how the configuration of one of them is made."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from gchat.server.activation import ADMIN, CHAT
from gchat.server.listener import Place, StartError, bind, bound_place, hold
from gchat.server.settings import Config
from gchat.server.shared_history import node_name
from gchat.server.start_checks import admin_place, chat_place, elsewhere

#: Requests that may wait at the admin endpoint, where its nodes share one socket.
_BACKLOG = 1024


class WorkerPlace:
    """The places of chat and admin endpoint.

    A port is held, and each node listens on it by itself; the socket of a path, or of systemd, is one for all nodes.
    """

    def __init__(self, config: Config, passed: Mapping[str, socket.socket]) -> None:
        """Take them. Raises StartError."""
        self.shared = dict(passed)
        self._held: list[socket.socket] = []
        self._places = {CHAT: self._take(CHAT, chat_place(config), config.server.listen_backlog)}
        config.server.host, config.server.port = self._places[CHAT].host, self._places[CHAT].port
        if config.admin.enabled:
            place = admin_place(config)
            try:
                self._places[ADMIN] = self._take(ADMIN, place, _BACKLOG)
            except StartError as error:
                self.close()
                raise elsewhere(error) from None

    def _take(self, name: str, place: Place, backlog: int) -> Place:
        if name in self.shared:
            return bound_place(self.shared[name])
        if place.is_path:
            self.shared[name] = bind(place, backlog)
            return place
        held = hold(place)
        self._held.append(held)
        return Place(place.host, bound_place(held).port)

    @property
    def chat(self) -> Place:
        """Where the chat listens."""
        return self._places[CHAT]

    def config_of(self, config: Config, number: int, engine: str) -> Config:
        """Return the configuration of a node, which has been read for it alone."""
        for name, section in ((CHAT, config.server), (ADMIN, config.admin)):
            if name in self._places:
                section.host, section.port = self._places[name].host, self._places[name].port
        config.server.reuse_port = True
        config.cluster.url = engine
        config.cluster.name = f"{node_name(config.cluster)}-{number}"
        return config

    def close(self) -> None:
        """Leave the places to others."""
        for held in (*self._held, *self.shared.values()):
            held.close()

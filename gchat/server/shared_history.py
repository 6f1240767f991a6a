"""The history that several nodes share: its engine, and what can be wrong with it.

Nothing of gchat.cluster is loaded by a server that is alone.
"""

from __future__ import annotations

import socket
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gchat.chat.limits import Limits
from gchat.chat.registry import Registry
from gchat.journal.journal import Journal, JournalError
from gchat.model.errors import GchatError
from gchat.server.cluster_settings import ClusterSection
from gchat.server.logs import logger
from gchat.server.own_thread import OwnThread

if TYPE_CHECKING:
    from gchat.cluster.engine import UrlEngine
    from gchat.server.nodes import Nodes, NodeServer
    from gchat.server.pump import Pump
    from gchat.server.roster import Onlooker
    from gchat.server.sharing import Sharing

NO_EXTRA = (
    "a cluster needs the extra `cluster`: pip install 'gchat-server[cluster]', in a checkout pip install '.[cluster]'"
)


class EngineUnusable(GchatError):
    """The engine cannot be used: says where, why, and what to do."""


def check_extra() -> None:
    """Raise EngineUnusable unless what a cluster needs is installed."""
    if find_spec("hiredis") is None:
        raise EngineUnusable(NO_EXTRA)


def engine_of(section: ClusterSection) -> UrlEngine:
    """Return the engine of a cluster, which is not connected to yet. Raises EngineUnusable."""
    check_extra()
    from gchat.cluster.engine import UrlEngine  # noqa: PLC0415  # see above
    from gchat.cluster.engine_url import parsed  # noqa: PLC0415

    return UrlEngine(parsed(section.url), reads_replica=section.read_from == "replica", say=_say)


def open_shared(section: ClusterSection, room_bytes: int) -> Journal:
    """Return the journal of the cluster, which is not attached to its engine yet. Raises EngineUnusable."""
    engine = engine_of(section)
    from gchat.cluster.journal import SharedJournal  # noqa: PLC0415  # see above
    from gchat.cluster.link import EngineLink  # noqa: PLC0415

    journal = SharedJournal(room_bytes, OwnThread())
    journal.link = EngineLink(engine, journal, section.namespace, node_name(section))
    return journal


def shared_steps(registry: Registry, limits: Limits, pump: Pump, journal: Journal, onlooker: Onlooker) -> Sharing:
    """Return where this node of a cluster takes its steps; the onlooker sees users of others come and go."""
    from gchat.cluster.journal import SharedJournal  # noqa: PLC0415  # see above
    from gchat.server.sharing import Sharing  # noqa: PLC0415

    assert isinstance(journal, SharedJournal)
    journal.members = sharing = Sharing(registry, limits, pump, journal.link, onlooker)
    pump.others = sharing.letters
    journal.link.is_read = pump.fan_out.is_read
    journal.follow(sharing.deliver)
    return sharing


def _say(text: str) -> None:
    logger.warning("the engine of the cluster: %(what)s", {"what": text})


def shared_nodes(journal: Journal, server: NodeServer) -> Nodes:
    """Return the nodes of a cluster, which are told of this one."""
    from gchat.cluster.journal import SharedJournal  # noqa: PLC0415  # see above
    from gchat.server.nodes import Nodes  # noqa: PLC0415

    assert isinstance(journal, SharedJournal)
    return Nodes(journal.link, server)


def unusable(section: ClusterSection, error: JournalError) -> EngineUnusable:
    """Return why the engine cannot be used."""
    from gchat.cluster.engine_connection import EngineLost  # noqa: PLC0415  # see above
    from gchat.cluster.engine_url import parsed  # noqa: PLC0415

    url, why = parsed(section.url), str(error)
    if not any(place in why for place in (url.path, *(f"{host}:{port}" for host, port in url.hosts)) if place):
        why = f"{url}: {why}"
    if isinstance(error, EngineLost):
        why += "; start it, or correct cluster.url (--cluster)"
    return EngineUnusable(f"cannot use the engine of the cluster: {why}")


def durability_of(journal: Journal) -> str:
    """Return what a message survives that was shown, by the settings of the engine; "" without one. See fitness."""
    return str(getattr(getattr(journal, "link", None), "durability", ""))


def warning_of(journal: Journal) -> str:
    """Return what an operator should know of the engine of a cluster; "": nothing."""
    return str(getattr(getattr(journal, "link", None), "warning", ""))


def node_name(section: ClusterSection) -> str:
    """Return what this node is called."""
    return section.name or socket.gethostname().partition(".")[0] or "gchat"

"""How an engine and its replicas stand, read from what engines say."""

from __future__ import annotations

import pytest
from msgspec import structs

from gchat.cluster.replication import Replication, has_all_of, replication

PRIMARY = b"""# Replication\r
role:master\r
connected_slaves:3\r
slave0:ip=10.0.0.1,port=6379,state=online,offset=90,lag=0,type=replica\r
slave1:ip=::1,port=6380,state=online,offset=100,lag=1\r
slave2:ip=10.0.0.3,port=6379,state=wait_bgsave,offset=0,lag=0\r
master_replid:abc\r
master_repl_offset:100\r
"""

REPLICA = b"""# Replication\r
role:slave\r
master_host:127.0.0.1\r
master_link_status:up\r
slave_repl_offset:90\r
master_replid:abc\r
master_repl_offset:95\r
"""


def test_a_primary_has_replicas_of_which_the_one_with_most_comes_first() -> None:
    assert replication(PRIMARY) == Replication(
        is_primary=True, history="abc", offset=100, replicas=(("::1", 6380), ("10.0.0.1", 6379))
    )


def test_a_replica_has_a_place_in_what_the_primary_wrote() -> None:
    assert replication(REPLICA) == Replication(is_primary=False, history="abc", offset=90)
    assert not replication(REPLICA.replace(b":up", b":down")).is_linked


@pytest.mark.parametrize(
    ("changes", "is_there"),
    [
        ({}, True),
        ({"offset": 101}, True),
        ({"offset": 99}, False),
        ({"is_linked": False}, False),
        ({"history": "of another one"}, False),
        ({"is_primary": True}, False),
    ],
)
def test_a_replica_has_all_only_if_it_follows_this_primary(changes: dict[str, object], is_there: bool) -> None:
    replica = structs.replace(replication(REPLICA), offset=100)
    assert has_all_of(structs.replace(replica, **changes), replication(PRIMARY)) == is_there


@pytest.mark.parametrize("info", [b"", b"nonsense", b"role:", b"\xff\xfe:\r\n", b"slave0:x\r\nslavex:1"])
def test_what_says_nothing_is_no_replica(info: bytes) -> None:
    assert not has_all_of(replication(info), replication(PRIMARY))

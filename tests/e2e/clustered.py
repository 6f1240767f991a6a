"""GCHAT_TEST_CLUSTER: the same tests, but each server is one node of a cluster ("1"), or two of them ("2").

The engine is one process for each process of pytest, started when the first server is. A history has a namespace of its
own in it: the same --db or state directory, the same namespace, so that a server that starts again finds its history.
With "2" users come to the one node and the other in turn; what is not listed in ON_TWO_NODES is not run.
"""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from hashlib import sha1
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cluster.engines import EngineProcess

#: "", "1" or "2".
MODE = os.environ.get("GCHAT_TEST_CLUSTER", "")

#: What programs are told by a server that stops: a node sends its users elsewhere, also if there is no other one.
FAREWELL = "This server is about to stop; come back at once" if MODE else "The server is shutting down"

#: Run with "2": plain, rich and resume, rooms, accounts, operators; and what else users of two nodes can do.
ON_TWO_NODES = (
    *("test_plain.py", "test_rich.py", "test_ids.py", "test_away.py", "test_ignore.py", "test_topic.py"),
    *("test_several_rooms.py", "test_room_modes.py", "test_accounts.py", "test_order.py", "test_order_reports.py"),
    *("test_admin.py", "test_hooks.py", "test_history.py", "test_several_lines.py", "test_time.py", "test_output.py"),
    *("test_telnet.py", "test_reading.py", "test_slow_link.py", "test_third_dialect.py", "test_doors_and_keys.py"),
    *("test_client_accounts.py", "test_client_daily.py", "test_client_rooms.py"),
)

_FILES = "about the files of SQLite"
_NODES = "its servers are nodes already"
_OTHERS = "how users of another node read, a node does not know"
_COMMANDS = "a command that finds no running server makes things in files; see test_nodes_operated.py"

#: Not run with "1" nor "2": by file, file::test or file::test[parameters], with the reason.
NOT_IN_A_CLUSTER = {
    "test_storage.py": _FILES,
    "test_failing_disk.py": _FILES,
    "test_clustered.py": _NODES,
    "test_engine_losses.py": _NODES,
    "test_nodes_operated.py": _NODES,
    "test_two_nodes.py": _NODES,
    "test_two_nodes_failing.py": _NODES,
    "test_two_nodes_failover.py": _NODES,
    "test_two_nodes_mended.py": _NODES,
    "test_workers.py": _NODES,
    "test_accounts.py::test_a_damaged_note_closes_its_account": _FILES,
    "test_held_up.py::test_a_pump_that_waits_for_the_disk_is_not_ready_until_it_goes_on": _FILES,
    "test_history.py::test_a_second_server_is_kept_out_in_one_line": _FILES,
    "test_history.py::test_what_can_be_read_of_a_damaged_file_is_kept_beside_it": _FILES,
    "test_history.py::test_a_bit_that_the_disk_has_flipped_changes_nobodys_words": _FILES,
    "test_history.py::test_a_room_is_exported_as_text_and_as_json": _FILES,
    "test_history.py::test_a_copy_is_made_while_the_server_runs_and_is_another_log": _FILES,
    "test_history.py::test_a_file_of_another_kind_is_said_to_be_one_and_left_alone": _FILES,
    "test_hooks.py::test_a_hook_is_made_by_command_whether_the_server_runs_or_not": _COMMANDS,
    "test_order.py::test_a_token_is_made_by_command_whether_the_server_runs_or_not": _COMMANDS,
    "test_order.py::test_a_file_of_tokens_that_others_can_change_stops_the_start_with_one_line": (
        "the tokens of nodes are in no file"
    ),
    "test_rich.py::test_what_is_gone_is_one_exact_gap": "a history in memory is cut by bytes, that of nodes is not",
    "test_start.py::test_a_history_in_memory_is_asked_for_as_in_sqlite": "about the log of a history in memory",
    "test_start.py::test_a_non_blocking_pipe_gets_all_that_is_printed[what1]": _FILES,
    "test_start.py::test_a_read_only_file_system_is_told_as_such": _FILES,
    "test_start.py::test_a_server_without_the_admin_endpoint_is_small": "a node has more to load",
    "test_systemd.py::test_the_command_of_the_unit_starts_and_the_backup_of_its_timer_opens": _FILES,
}

#: Not run with "2".
NOT_ON_TWO_NODES = {
    "test_admin.py::test_the_status_tells_who_is_online_and_how_they_are": _OTHERS,
    "test_admin.py::test_without_a_token_nothing_private_is_told_as_through_a_proxy": _OTHERS,
}

#: What the gate runs with both: see test_clustered.py.
IN_THE_GATE = (
    "test_plain.py::test_a_chat_from_the_first_greeting_to_the_last_goodbye",
    "test_plain.py::test_moving_is_told_in_both_rooms_with_the_number_of_each",
    "test_plain.py::test_a_private_message_is_seen_by_one_and_answered",
    "test_plain.py::test_who_names_everybody_and_me",
    "test_rich.py::test_rich_and_plain_users_hear_each_other_each_in_its_own_way",
    "test_rich.py::test_an_ack_stands_where_the_message_stands_for_the_others",
    "test_rich.py::test_a_repeated_id_gets_its_old_number_and_is_not_said_again",
    "test_rich.py::test_who_comes_back_gets_the_nick_and_what_was_missed_and_nobody_notices",
    "test_several_rooms.py::test_a_rich_user_hears_every_room_and_speaks_in_each",
    "test_several_rooms.py::test_a_user_who_comes_back_is_in_all_rooms_that_were_not_left_and_is_still_their_operator",
    "test_accounts.py::test_a_nick_that_was_registered_is_its_users_and_nobody_elses",
    "test_accounts.py::test_after_a_restart_the_nick_and_the_rank_are_still_its_users",
    "test_order.py::test_an_operator_bans_a_user_who_reads_why_and_until_when_and_cannot_come_back",
    "test_order.py::test_a_muted_user_reads_and_says_nothing_however_they_come_back",
    "test_room_modes.py::test_a_kicked_user_is_told_how_to_come_back_and_does",
    "test_room_modes.py::test_modes_and_ranks_outlive_a_restart",
    "test_topic.py::test_a_cleared_topic_is_gone_for_everybody_and_for_newcomers_and_after_a_crash",
)

_engines = ExitStack()
_engine: EngineProcess | None = None
_numbers = itertools.count(1)


def engine() -> EngineProcess:
    """Return this process's engine; the first call starts it."""
    global _engine  # noqa: PLW0603  # as there is one engine
    if _engine is None:
        from tests.cluster.engines import EngineProcess  # its tools are of the harness, which needs this

        _engine = _engines.enter_context(EngineProcess())
    return _engine


def close() -> None:
    """End the engine, if there is one."""
    global _engine  # noqa: PLW0603
    _engine = None
    _engines.close()


def in_cluster(arguments: Sequence[str], settings: Mapping[str, object], state: str) -> tuple[list[str], str]:
    """Return the arguments of a server that is to be a node, without where its history is, and its namespace.

    `state` is the state directory that a test gave it, "" for none: then it has a new history each time.
    """
    left: list[str] = []
    history = str(settings.get("history_path", state))
    words = iter(arguments)
    for word in words:
        if word == "--db":
            history = next(words)
        elif word == "--memory":
            history = ""
        else:
            left.append(word)
    if history in ("", ":memory:") or settings.get("history_store") == "memory":
        return left, f"test-{next(_numbers)}"
    return left, f"test-{sha1(history.encode()).hexdigest()[:12]}"


def move(path: Path) -> None:
    """Have the nodes that are started with this file find what is in it."""
    if MODE:
        environment = {**os.environ, "GCHAT_CLUSTER_NAMESPACE": in_cluster((), {"history_path": path}, "")[1]}
        command = [sys.executable, "-m", "gchat.server.main", "--import", str(path), "--cluster", engine().url]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def as_alone(log: str, node: int = 0) -> str:
    """Return what a node has logged with its sessions' numbers as a server has them that is alone.

    Of two nodes, 0 and 1, the users come to both in turn.
    """
    if not MODE:
        return log
    nodes = int(MODE)

    def alone(found: re.Match[str]) -> str:
        return f"{found[1]} {((int(found[2]) & 0xFFFFFFFF) - 1) * nodes + node + 1}"

    return re.sub(r"\b(opened|closed) (\d{10,})\b", alone, log)


def why_not(name: str, mode: str) -> str:
    """Return why a test, as file::name[parameters], is not run in this mode; "": it is."""
    file = name.partition("::")[0]
    keys = (file, name.partition("[")[0], name)
    lists: Iterable[Mapping[str, str]] = (NOT_IN_A_CLUSTER, NOT_ON_TWO_NODES if mode == "2" else {})
    if mode == "2" and file not in ON_TWO_NODES:
        return "not among what is run on two nodes"
    return next((known[key] for known in lists for key in keys if key in known), "")


def skip(items: Iterable[pytest.Item]) -> None:
    """Have the tests of this folder that are not for this mode skipped, with the reason."""
    if not MODE:
        return
    for item in items:
        if item.path.parent.name == "e2e" and (reason := why_not(f"{item.path.name}::{item.name}", MODE)):
            item.add_marker(pytest.mark.skip(reason=f"in a cluster: {reason}"))

"""The database: how much one call does."""

from __future__ import annotations

from pathlib import Path

from gchat.journal.sqlite.database import INDEXED_BYTES, Changes, Database
from gchat.journal.sqlite.rows import rows_of
from gchat.model.messages import Record, Said


def test_long_messages_are_indexed_a_few_at_a_time_and_none_is_left_out(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "history.db"), "normal", "epoch", "")
    texts = ["x" * 8000] * 20 + ["tea"] * 50 + ["x" * (INDEXED_BYTES + 1)] * 2
    rows = [row for seq, text in enumerate(texts, 1) for row in rows_of(1, Record(seq, 1.7e9, Said("a", (text,))), "")]
    database.commit(Changes([(1, "lobby")], rows, (), ()))

    steps = [0]
    while steps[-1] < len(texts):
        steps.append(database.index(1, len(texts), 100))

    assert steps == [0, 8, 16, 70, 71, 72]
    for reader in database.readers:
        reader.close()
    database.close()


def test_what_was_stored_while_the_log_was_copied_does_not_make_it_grow(tmp_path: Path) -> None:
    database, log = Database(str(tmp_path / "history.db"), "normal", "epoch", ""), tmp_path / "history.db-wal"
    sizes = []
    for seq in range(1, 20):
        rows = rows_of(1, Record(seq, 1.7e9, Said("a", ("x" * 8000,))), "")
        database.commit(Changes([(1, "lobby")] if seq == 1 else (), rows, (), ()))
        if seq == 1:
            assert database.copy_log()
        else:
            database.restart_log()
        sizes.append(log.stat().st_size)

    assert sizes[-1] == sizes[0]
    for reader in database.readers:
        reader.close()
    database.close()


def test_only_the_index_is_left_to_be_synced_with_the_next_commit(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "history.db"), "full", "epoch", "")
    asked: list[str] = []
    database._writer.set_trace_callback(asked.append)
    syncs = {"PRAGMA synchronous = normal": False, "PRAGMA synchronous = full": True}

    def is_synced() -> bool:
        """Return whether the transaction that was traced was, and that the next one will be."""
        kept = [syncs[line] for line in asked[: asked.index("COMMIT")] if line in syncs]
        asked.clear()
        assert database._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        asked.clear()
        return kept[-1] if kept else True

    rows = rows_of(1, Record(1, 1.7e9, Said("a", ("tea",))), "")
    database.commit(Changes([(1, "lobby")], rows, (), ()))
    assert is_synced()
    database.index(1, 1, 100)
    assert not is_synced()
    database.set_mark()
    assert is_synced()

    database._writer.set_trace_callback(None)
    for reader in database.readers:
        reader.close()
    database.close()

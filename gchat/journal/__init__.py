"""The journal: it stores messages and gives them their numbers, and keeps what else outlives a run of the server.

    journal          the interface: one log for each room; append, arrivals, read, and where a room stands
    parts            what a journal may have in addition: search, catalogue, retention, maintenance, condition
    notes            one more part: bans and sessions for the next run, each kind with its type
    native_thread    how a journal has slow work done elsewhere
    numbering        the numbers of a batch, and what an id means that comes again
    used_ids         what each id was used for, for ten minutes
    recent_messages  the last messages of a room, in memory
    paging           as many records as are read at once
    search_tokens    the words of a text, and what a query finds: the same in every journal
    memory           the journal that ends with the process
    sqlite           the journal in one file: the schema, the threads, the index, damage

It knows no user, no connection and no dialect, no event loop, no thread and no clock: it is given the time.

How to write one more journal (a Redis journal would be `redis/`, beside `sqlite/`):

1. Write a class with the methods of journal.Journal; tests/journal/minimal_journal.py is one, in 92 lines. Numbering
   numbers a batch without changing anything, so a batch that cannot be stored is forgotten by dropping it.
2. Add it to JOURNALS in tests/journal/test_contract.py, which says what every journal must do.
3. If other processes append too, append() returns None for each posting, and everything, ours and theirs, is delivered
   to whoever follows, in order; an Arrival of ours has the posting's `cause`. Count a record as said in accept(), not
   before: what is delivered is shown a little later. If it can be lost, the room goes on as another log once renew() is
   called, which effects.Rebased does in its place among what is delivered. tests/journal/shared_journal.py is a model,
   and tests/server/test_publication.py the proof that nothing above has to be changed.
4. Give it the parts that it can have, as methods; parts_of finds them. Without any the server works too.
5. Add a line to open_journal in server/history.py, and a value to the setting history.store.
"""

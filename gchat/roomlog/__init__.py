"""The room log: what a room is told, encoded once, and how far each reader is in it. Pure: bytes in, bytes out.

    log       the ring of one room in one dialect, and its readers
    chunk     what was appended in one turn, and the offer of it to the readers that are live
    cursor    one reader in one log: its states and what changes them, its place
    once      the same, for readers that hear once what several rooms are told
    leavings  what it is owed of logs that it follows no more
    reader    all that one reader is owed: cursors in several logs, own lines, and their order

It knows no socket, no dialect and no user: a reader is a number of a session and a number to send to.
"""

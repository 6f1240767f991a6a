"""The room log: what a room is told, encoded once, and how far each reader is in it. Pure: bytes in, bytes out.

    log     the ring of one room in one dialect, and its readers
    chunk   what was appended in one turn, and the offer of it to the readers that are live
    cursor  one reader: its states and what changes them, its place in the log, its own lines

It knows no socket, no dialect and no user: a reader is a number of a session and a number to send to.
"""

"""The journal in one SQLite file.

    journal           implements the interface: what is known without waiting, and what to do when the disk fails
    loaded_room       what is in memory of one room
    database_threads  which thread asks what, so that nothing that a user asks holds up new messages
    database          the calls that write: commits, repair, the index, the file's epoch
    queries           the calls that read: rooms, messages, searches, ids, notes
    schema            the tables, and how an older file is brought up to date
    rows              a message as a row, with its checksum
    upkeep            a little at a time: the index of words, checkpoints, deleting
    writeback         the disk gets what a checkpoint copies a little at a time, so that no commit waits behind it
    retention         deleting what is too old or too many
    wall_clock        how far the clock is believed about what is too old
    file              the file: claiming it, opening it, noticing that it was moved
    high_water_mark   how far the database had come, beside it: an older copy is noticed
    errors            what is wrong with a file, in words
    backup            export, backup, and what can be read of a damaged file

Nothing here knows an event loop: the server gives it threads, each as a native_thread.NativeThread.
"""

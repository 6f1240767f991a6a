"""The values that everything else speaks of, and what people read. Pure, and imports nothing of gchat.

    messages     what the journal numbers and keeps
    commands     what users ask
    events       what a room or one user is told
    hello        what a client asks for first, and the place in a log to resume from
    modes        the modes and ranks of rooms: their letters, and changes as they are typed
    audience     whom a dialect writes for: a room, or one reader
    errors       refusals: a code for programs, a message for people

    names        nicks and rooms: which are allowed
    lookalikes   which names are the same, or could be taken for each other
    confusables  the tables of Unicode by which that is told
    ignored_names  names of users who are not to be shown
    durations    how long something lasts, as it is typed
    text         what may go out to a terminal
    sentences    what people read, one table for server and client
    expectation  what was expected in a value that is wrong
    secret       values that do not show their token

A value is frozen, and knows neither how it looks nor what comes of it.
"""

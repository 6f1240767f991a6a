"""What a client knows and has to do, whatever happens to its connections. Pure: it knows no socket and no clock.

conversation  one user's side of the chat: events in, notices out.
claim         the nick and the room that were asked for, until both are granted.
progress      how far a program has come in what it was told.
"""

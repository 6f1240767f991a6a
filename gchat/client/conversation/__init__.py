"""The conversation of a client, whatever happens to its connections. Pure: it knows no socket and no clock.

conversation   one user's side of the chat: events in, notices out.
membership     the rooms that the user is in: what was seen of each, and who is there.
claim          the nick and the room that were asked for, until both are granted.
account_login  the account that the user is logged in to, and what logs in again.
notices        what a user is told: the server's events, and Sent, Delivered, Lost, Back, NewLog.
seen_numbers   up to which number a room was seen: no number twice, none missing without a Gap.
progress       how far a program has come in what it was told.
"""

"""The chat itself: who is where, and who gets what. Pure: a command goes in with the time, effects come out.

Nothing here waits, reads a clock, or knows a socket, the journal, or how a dialect looks. One call is one step for
everybody, so nothing needs a lock.

registry      all users, nicks and rooms: coming, moving, naming and going
population    the tables of these, and the steps in which they change
steps         calls of the core as values;  order_steps: those of operators
checkpoint    all of a registry by which it is decided, as a value: another registry goes on from there
handlers      what each command does, and what it costs
effects       what the core asks of the shell, and why a connection ends
session       one user; and a reference to one that outlives a reconnection
attention     handlers of the commands for being away and for ignoring users
absence       why a user is away, and which others have been told
ignorers      which users are not shown what a user says
room, rooms   one room; all of them, and the limits on opening more
room_modes    what a room's modes allow, and how they change;  masks: whom its lists name
kept_modes    the modes of all rooms, also of those that nobody is in
standing      what users are in rooms, and may do there;  moderation: handlers of what operators do
order         operators of the server, bans and mutes;  order_actions: what they do;  order_handlers: their commands
operator_notes  what operators make that the core does not read: hooks, tokens
penalties     whom a ban or a mute is of, and until when
nicks         which session is called what
accounts      nicks that belong to users who know a secret;  tries: who has sent wrong ones
logins        handlers of the commands for accounts, and what comes of the verdict on a secret
entry         what a user gets on entering a room
presence      users entering, leaving and renamed, told together when they are many
disconnected  users who may come back, and which to drop when they are too many
lineages      which session a token or an account takes over
admission     which peers are let in: bans, places, networks
guesses       which networks have shown wrong secrets, and how long they wait
networks      which addresses count as one network
limits        the limits of the core, and the pace at which a connection may send

One more command is a handler and a row of the table in handlers; what it looks like is told in gchat.dialects.
"""

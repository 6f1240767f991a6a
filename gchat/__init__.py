"""gchat: a chat room that starts with one command and that people join with what their machine already has.

    bytes -> door -> dialect -> command -> registry -> effects -> pump -> journal -> room log -> fan-out -> bytes

model     the values that everything else speaks of: commands, messages, events; names, text, sentences. Pure.
dialects  bytes to commands, events to bytes: plain, rich; what a peer's first line says that it speaks. Pure.
chat      users, nicks, rooms and their rules: commands in, effects out. Pure; knows no dialect and no socket.
roomlog   what a room is told, encoded once, and how far each reader is in it. Pure; bytes in, bytes out.
journal   numbers messages and keeps them: in memory, in an SQLite file. Knows no user and no connection.
hooks     what other programs post to a room, as messages, and what it posts to them. Pure; bytes in, texts out.
admin     the admin endpoint over HTTP. Knows the server by one interface, and no user's socket.
cluster   the journal that several nodes share through an engine, Valkey. Knows the journal's interfaces alone.
server    the shell: gevent, sockets, signals, configuration. Carries out what chat decides.
client    gchat-client, and the library that bots use. Knows the dialects and nothing of the server.

cli              what both commands share: arguments, exit codes, errors of one line
early_signals    signals while a command loads
state_directory  where the files of this machine's user are
breather         a turn of the loop for others, in the server and its admin endpoint
secret_file      a file with a secret in it, read only if no other user can
accept_pause     a pause where there is no descriptor for a connection, in both

server -> admin, cluster -> chat, roomlog, journal, dialects, hooks -> model; client -> dialects -> model; nothing
points back (import-linter holds it). docs/design.md has the reasons.
"""

__version__ = "0.2.0"

"""gchat: a chat room that starts with one command and that people join with what their machine already has.

    bytes -> framing -> dialect -> command -> registry -> effects -> pump -> journal -> room log -> fan-out -> bytes

protocol  bytes <-> values. Pure: knows no user, no room, no socket, no clock.
chat      users, nicks, rooms and their rules. Pure: commands in, effects out; knows no dialect and no socket.
journal   stores messages and numbers them. Knows no user and no connection.
admin     the admin endpoint over HTTP. Knows the server by one interface, and no user's socket.
server    the shell: gevent, sockets, signals, configuration. Carries out what chat decides.
client    gchat-client, and the library that bots use. Knows the protocol and nothing of the server.

server -> admin -> chat, journal -> protocol, and client -> protocol; nothing points back (import-linter holds it).
"""

__version__ = "0.1.0"

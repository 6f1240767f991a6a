"""gchat: a chat room that starts with one command and that people join with what their machine already has.

    bytes -> framing -> dialect -> command -> registry -> effects -> pump -> journal -> room log -> fan-out -> bytes

protocol  bytes <-> values. Pure: knows no user, no room, no socket, no clock.
chat      who is where, and who gets what. Pure: commands in, effects out; knows no dialect and no socket.
journal   where messages rest and get their numbers. Knows no user and no connection.
admin     the operator's window over HTTP. Knows the server by one interface, and no user's socket.
server    the shell: gevent, sockets, signals, configuration. Knows how, never what or to whom.
client    gchat-client, and the library that bots use. Knows the protocol and nothing of the server.

server -> admin -> chat, journal -> protocol, and client -> protocol; nothing points back (import-linter holds it).
"""

__version__ = "0.1.0"

"""Links: conversations over sockets that are lost and come back. Knows no terminal and no pipe.

link            what programs ask of a link to a gchat server; `connect` makes one.
exchange        a conversation over one connection after another: the greeting, hearing, sending without waiting.
plain_link      a link to a server of plain lines.
reconnect       what both have in common: one connection after another, and closing at last.
tls             TLS: which certificates are trusted, the handshake, why it failed. Loaded only where it is spoken.
backoff         how long to wait before dialling again; dial: addresses and sockets.
foreign_server  what servers of other kinds say first.
inbox           what was heard and is not yet iterated.
ownership       the thread and the process that a link belongs to, and its end when they end.
stop_signals    Ctrl+C and SIGTERM, which end a bot's iteration.
errors          what goes wrong, as exceptions.

A link to a server of another dialect is a subclass of ReconnectingLink that greets, reads and says goodbye.
"""

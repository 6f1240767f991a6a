"""Links: conversations over sockets that are lost and come back. Knows no terminal and no pipe.

link            what programs ask of a link to a gchat server; `connect` makes one.
exchange        a conversation over one connection after another: the greeting, hearing, sending without waiting.
reconnect       one connection after another, whatever is spoken on it: dialling, reading, dialling again.
plain_link      a link to a server of plain lines.
foreign_server  what servers of other kinds say first.
inbox           what was heard and is not yet iterated.
ownership       the thread and the process that a link belongs to, and its end when they end.
stop_signals    Ctrl+C and SIGTERM, which end a bot's iteration.
"""

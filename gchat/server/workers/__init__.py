"""Several nodes on one machine: `gchat-server --workers N`. A supervisor looks after them.

The supervisor has no event loop and no native threads, because its nodes are forks of it: they begin with everything
loaded, share its memory, have its sockets, and have read the same configuration. It never looks into a connection.

    command      the command: all of it put together
    supervisor   starts all, passes on signals, starts again what dies, and ends all
    child        one process that is started, and started again, with a growing pause
    signs        what nodes tell of themselves: that they listen, that they are alive
    own_engine   the engine of this machine: its program, its directory, and why it does not start
    worker_place  where all nodes listen, and how the configuration of one is made
"""

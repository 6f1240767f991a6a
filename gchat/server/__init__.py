"""The shell: gevent, sockets, signals, files. It carries out what the core decides, and decides nothing itself.

From the first byte of a peer to the last byte to everybody else:

    listener       where to listen, and what is accepted there
    door           which peers come in, and what each speaks, by its first bytes
    transport      a peer's stream of bytes, whatever carries it
    connection     what joins the two halves, and owns the end of both
    reader         the reading half: bytes become commands, at the pace that the limits allow
    writer         the writing half: all that one user is still owed, in named states
    reader_interfaces  what the reading half needs of the server and its connection
    roster         which connections there are, and why others have ended
    pump           effects, carried out turn by turn
    turn_share     what the next turn takes of users who say much, and of those who enter
    answer         an answer in the dialect of its reader
    publication    the part of a turn that stores messages and answers their senders
    fanout         room logs, and what a turn appended to them, sent to all readers
    spreader       large rooms, sent in slices between turns
    replay         pages of old messages, for users that enter, come back, search or ask
    room_loading   users who enter a room that is yet to be loaded

Around it:

    __main__, main, cli, start_checks                  the command
    settings, config, setting_values                   what can be set, and where it is read from
    app            composes all this, runs it, and drains it
    reload         settings taken over by a running server
    signals, systemd, watch, capacity, linux           what the machine tells and is asked
    history, saved_state, state_files                  the journal that is configured, what it saves, where files are
    making, http_post                                  what a command makes in the running server, else in its files
    logs, faults, machine_errors, stdout, transcript   what the operator reads
    counters, gauges                                   what is counted, and what is looked up
    admin_backend, admin_actions, admin_endpoint       what gchat.admin serves
    operated_server                                    what these see of the server

Modules know each other by small Protocols that stand beside the code that needs them (ReplayTurn in replay), and none
imports one that imports it, not for its types either. App satisfies those that are called ...Server.

Which greenlet runs what, and what it may wait for. Whatever is not named there it must not wait for.

    a greenlet                     runs                                   may wait for
    the hub                        the listener's accept, the watchers    nothing
                                   of writers, timers, signals
    one for each connection        the door, then its reader              its peer's bytes, its pace, the pump, its own
                                                                          answers, and a large room that it speaks in
    the pump                       turns: all effects and all sending     the commit of its turn; one round of the loop
                                   in small rooms                         between some sends
    the spreader                   sending in large rooms, and to peers    one round of the loop between two slices
                                   that are behind
    one for each page, answer      a read of the journal                  the disk
    or room that is loaded
    the watch                      stalled readers, silent users, bans    its own sleep
    the upkeep of the history      Maintenance.tidy                       the disk
    the supervision of systemd     signs of life                          the pump
    one for each HTTP request      gchat.admin                            its peer, the disk, a message that it says

Native threads: those of the journal, one that loads modules after the start, and one for each of stdout and stderr. No
greenlet waits for a peer that somebody else is waiting for: what a peer does not take stays in the room log.

To add a transport (TLS, WebSocket): write a class with the members of transport.Transport in a module of its own, and
wrap the peer's stream in it where Door.serve has seen by the first bytes that it is asked for. If what goes over the
wire is not the bytes of the room log, its `descriptor` is None. Nothing else knows what carries a connection.
"""

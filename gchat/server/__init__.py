"""The shell: gevent, sockets, signals, files. It carries out what the core decides, and decides nothing itself.

From the first byte of a peer to the last byte to everybody else:

    listener       where to listen, and what is accepted there
    door           which peers come in, and what each speaks, by its first bytes
    opening        what is heard of a peer before there is a connection
    proxies        who is behind a trusted proxy
    server_password  the password without which nobody comes in
    transport      a peer's stream of bytes, whatever carries it
    tls            which streams are in TLS, and with which certificate
    certificate    the certificate and its key, checked
    handshakes     handshakes of TLS, for which a round of the loop has little time
    tls_transport  a stream in TLS
    read_guard     what ends a read in TLS that holds the loop
    connection     what joins the two halves, and owns the end of both
    reader         the reading half: bytes become commands, at the pace that the limits allow
    writer         the writing half: all that one user is still owed, in named states
    reader_interfaces  what the reading half needs of the server and its connection
    taking         calls of the core that change something, made at once
    attempts       when connections were made, by the time of the cluster
    secret_checks  whether a secret is right: hashed on a native thread, in turns that are fair to networks
    roster         which connections there are, and why others have ended
    pump           effects, carried out turn by turn
    turn_share     what the next turn takes of users who say much, and of those who enter
    answer         an answer in the dialect of its reader
    publication    the part of a turn that stores messages and answers their senders
    held_answers   answers that wait for what became of what was said before
    presence_telling  users who come, go and change, told to rooms in their time
    fanout         room logs, and what a turn appended to them, sent to all readers
    spreader       large rooms, sent in slices between turns
    replay         pages of old messages, for users that enter, come back, search or ask
    room_loading   users who enter a room that is yet to be loaded

Around it:

    __main__, main, cli, start_checks                  the command
    errands                                            what the command does instead of serving
    make_cert                                          a certificate for trying TLS
    settings, setting_application, setting_values, config  what can be set, what applies it, where it is read from
    cluster_settings                                   those of a cluster
    app            composes all this, runs it, and drains it
    stopping       that it stops, which ends pauses
    workers/       several nodes on one machine
    drain          users sent elsewhere before the server stops
    reload         settings taken over by a running server
    signals, systemd, watch, capacity, linux           what the machine tells and is asked
    making, http_post, token_making                    what a command makes in the running server, else in its files
    shared_tokens                                      tokens that all nodes of a cluster accept
    history, own_thread, saved_state, state_files      the journal that is configured, what it saves, where files are
    shared_history, sharing                            the journal of a cluster; steps in the order of all nodes
    step_effects                                       what each node does of a step, and what its origin does
    registry_loading, returning                        the registry loaded anew, and users who were believed gone
    letters                                            private messages to users of other nodes
    nodes, elsewhere                                   all nodes, as the operator sees them, and users of others
    activation     the sockets that systemd passes
    logs, faults, machine_errors, stdout, transcript   what the operator reads
    audit                                              what operators did
    counters, gauges                                   what is counted, and what is looked up
    admin_backend, admin_actions, admin_order          what gchat.admin shows and does
    account_actions                                    accounts, likewise
    admin_endpoint                                     its socket, tokens and application
    hook_actions, kept_hooks, notes_by_step            what hooks do, and how they are kept
    outgoing, hook_settings                            what is said in a room, posted to a URL
    operated_server                                    what these see of the server

Modules know each other by small Protocols that stand beside the code that needs them (ReplayTurn in replay), and none
imports one that imports it, not for its types either. App satisfies those that are called ...Server.

Which greenlet runs what, and what it may wait for. Whatever is not named there it must not wait for.

    a greenlet                     runs                                   may wait for
    the hub                        the listener's accept, the watchers    nothing
                                   of writers, timers, signals
    one for each connection        the door, then its reader              its peer's bytes, its pace, the pump, its own
                                                                          answers and secrets, a large room that it
                                                                          speaks in, and a turn for its handshake
    the pump                       turns: all effects and all sending     the commit of its turn; one round of the loop
                                   in small rooms                         between some sends
    the spreader                   sending in large rooms, and to peers    one round of the loop between two slices
                                   that are behind
    one for each page, answer      a read of the journal                  the disk
    or room that is loaded
    one for each secret            its check, and what comes of it        its turn, its hash, the pump
    the watch                      stalled readers, silent users, bans    its own sleep
    the upkeep of the history      Maintenance.tidy                       the disk, the pump
    the supervision of systemd     signs of life                          the pump
    one for each HTTP request      gchat.admin                            its peer, the disk, a message that it says

Native threads: those of the journal, one that hashes secrets, one that loads modules after the start, the guard of
reads in TLS, and one for each of stdout and stderr. No greenlet waits for a peer that somebody else is waiting for:
what a peer does not take stays in the room log.

To add a transport (WebSocket): write a class with the members of transport.Transport in a module of its own, as in
tls_transport, and wrap the peer's stream in it where Door.serve has seen by the first bytes that it is asked for. If
what goes over the wire is not the bytes of the room log, its `descriptor` is None. Nothing else knows what carries a
connection.
"""

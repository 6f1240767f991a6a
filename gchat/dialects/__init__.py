"""Bytes to commands and events to bytes. Pure: no sockets, no clock, no gevent, no logging, no users and no rooms.

    dialect          what a dialect is: its decoder, what it writes, its traits
    choice           the dialects there are, and which of them a peer speaks
    sniff            how streams begin: hellos of dialects, and protocols that are not chat
    proxy_header     what a proxy says of a peer before the peer's own stream

    lines            bytes to lines: line ends, caps, keys that edit a line
    telnet           telnet's commands in a stream of lines
    command_decoder  a decoder for dialects in which each line is a request

    plain            the plain dialect: nc and telnet;  plain_decoder: what they send
    slash            its commands, one table: names, arguments, help, what Tab completes
    rich             the rich dialect: gchat-client and bots
    rich_json        its lines, as JSON
    rich_requests, rich_events                         what stands in them

Nothing but its own module knows how a dialect looks, and nothing here knows what a command does or who gets an event.

To add a dialect: write a module with what dialect.Dialect asks for; tests/dialects/postcard.py is one in 90 lines. Put
it in choice.DIALECTS, and the beginning of its hello, by which a peer is known to speak it, in sniff.HELLOS.
"""

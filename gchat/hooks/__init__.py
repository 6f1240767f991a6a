"""Hooks: what other programs post to a room over HTTP, as a message, and what a room's messages are to them. Pure.

It knows bytes, texts and names: no HTTP, no socket, no clock, no room.

    message      a message that a program says
    bodies       a body of any known format becomes a message
    slack        Slack, Mattermost and others like them;  alerts: Alertmanager and Grafana;  github: GitHub and Gitea
    loose_json   JSON of strangers, in which any field may be missing, null or of another type
    fitting      texts made to fit into one message, and lists cut with "and 12 more"
    signature    signatures of bodies, checked and made
    book         the hooks that there are, each with its room, its name and the hash of its secret
    outgoing     what is posted of a room's messages, what an answer may say, and pauses after failures

To read another format: a function from the decoded JSON to the lines of a message in a module of its own, and a line in
bodies. Its tests are real bodies as files in tests/hooks/bodies.
"""

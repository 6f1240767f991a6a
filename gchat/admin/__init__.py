"""The admin endpoint: HTTP that shows the server's state and takes the operator's actions. It knows no user's socket.

backend           what the server gives: the interface and its errors
documents         what is answered and shown, with its fields: each document, a user, a room, a message
happenings        what happens, for the event streams
responses         values as JSON, whole or made while they are sent, and errors as problem details
read_resources    the resources that only read, and how documents are made;  action_resources: those that change rooms
order_resources   those by which order is kept;  token_resources: those of named tokens
hook_resources    the resources of hooks, for operators and for programs
account_resources    those of accounts;  drain_resource: that of the drain
routes            the table of paths, resources and what is said of them, and what comes before and after every request
forwarded         whose request it is behind a proxy;  proxied: whose connection
access            what a request may do: Host, Origin and token;  visibility: what it may see of a value
request_head      the head of a request, its limits and its errors;  request_body: what comes after it, also in chunks
http_server       connections: deadlines, the number of them, and turns for the chat;  security: how they begin in TLS
room_stream       a room's messages as they come, server-sent or as lines of JSON
sse               event streams;  metrics: the formats of Prometheus;  openapi: the description of all of it
token_file        the files of the tokens;  named_tokens: tokens with a name and a scope, in one file
page/             the live page

A new field of GET /users is a line and its value in documents.UserInfo. A new counter is declared in the server,
beside the code that counts, and comes to /metrics and /status by itself (gchat.server.counters). A new path is a
resource and a row in routes. Nothing here knows gevent but http_server, proxied, security, room_stream, routes and sse.
"""

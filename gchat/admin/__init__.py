"""The admin endpoint: HTTP that shows the server's state and takes the operator's actions. It knows no user's socket.

backend           what the server gives: the interface, its values (UserInfo, ...), events and errors
documents         what is answered: each document is one struct, from which its JSON and its OpenAPI schema are made
responses         values as JSON, whole or made while they are sent, and errors as problem details
read_resources    the resources that only read;  action_resources: those that change something
routes            paths to resources, and what comes before and after every request
access            what a request may do: Host, Origin and token;  visibility: what it may see of a value
request_head      the head of a request, its limits and its errors
http_server       connections: deadlines, the number of them, and turns for the chat
sse               event streams;  metrics: the formats of Prometheus;  openapi: the description of all of it
token_file        the files of the tokens
page/             the live page

A new field of GET /users is a line and its value in backend.UserInfo. A new counter is declared in the server, beside
the code that counts, and comes to /metrics and /status by itself (gchat.server.counters). A new path is a resource, a
line in routes, and one in openapi. Nothing here knows gevent but http_server, routes and sse.
"""

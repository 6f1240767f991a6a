"""The admin endpoint: HTTP that shows the server's state and takes the operator's actions. Knows no user's socket."""

"""The operator's window: an HTTP endpoint that tells who is online, and takes actions. Knows no socket of a user."""

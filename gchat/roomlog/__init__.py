"""The room log: what a room is told, encoded once, and how far each reader is in it. Pure: bytes in, bytes out."""

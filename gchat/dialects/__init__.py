"""Bytes to values and values to bytes. Pure: no sockets, no clock, no gevent, no logging, no users and no rooms."""

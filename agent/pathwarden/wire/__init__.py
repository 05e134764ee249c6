"""Bytes to values and back: one module per protocol, no sockets."""

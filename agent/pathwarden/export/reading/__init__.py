"""Recorded traces of other programs and of our own, read back as values."""

"""Deciding what changed: pure comparison and state machines."""

"""Recorded traces read, judged and told."""

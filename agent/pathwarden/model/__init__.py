"""Frozen values that every part shares, and the protocols by which adapters are handed around."""

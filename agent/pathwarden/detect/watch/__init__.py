"""Watching paths between traces with single probes: choosing them, and following up what they find."""

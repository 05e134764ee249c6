"""Tracing as state machines: replies and the clock in, probes out."""

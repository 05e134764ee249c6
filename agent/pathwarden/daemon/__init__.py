"""The composition root: wiring, threads, scheduler."""

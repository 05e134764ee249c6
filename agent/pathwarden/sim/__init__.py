"""A network in virtual time."""

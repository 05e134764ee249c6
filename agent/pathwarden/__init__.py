"""Pathwarden: a path monitor for routers."""

__version__ = "0.1.0"

"""Sockets, netlink and names: everything that talks to the kernel."""

"""Builds Pathwarden's packages for OpenWrt: ipk, apk and a signed feed, from one manifest, with the standard library alone."""

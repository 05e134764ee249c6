"""Whose an address is and where: ranges of the IANA, local databases, and a name server if the owner wants that."""

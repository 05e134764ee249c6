"""What a reply tells of the way beyond who sent it and when: compares the quote with the probe."""

from pathwarden.model.probe import Method, Probe, Reply
from pathwarden.model.trace import UNMARKED, Marks

_CHECKSUM_BASE = 0xFFFF  # ones' complement of 16 bits


def marks_of(probe: Probe, reply: Reply) -> Marks:
    """The marks of a reply to a probe; the shared `UNMARKED` when there are none."""
    flow = probe.flow
    tos = reply.quoted_tos if reply.quoted_tos != flow.tos else -1
    length = reply.quoted_length if reply.quoted_length != flow.size else 0
    nat = (reply.ident_checksum - probe.ident) % _CHECKSUM_BASE if reply.ident_checksum and flow.method is Method.UDP else 0
    if tos < 0 and not (length or nat or reply.mtu or reply.quoted_mss or reply.segment or reply.extensions):
        return UNMARKED
    return Marks(tos, length, nat, reply.mtu, reply.quoted_mss, reply.segment, reply.extensions)

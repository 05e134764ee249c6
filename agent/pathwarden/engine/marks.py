"""What a reply tells of the way beyond who sent it and when: compares the quote with the probe.

Rules:
1. What a quote does not hold says nothing: a quoted ToS of -1, a length, checksum or MSS of 0.
2. A translator rewrites addresses and ports, and the checksum with them. On the way back Linux's conntrack puts the quote right,
   addresses, ports and, where it rewrote them, the checksum inside: behind it nothing shows. Many others leave the checksum as it was
   on their far side. So a quoted checksum that is not the one sent is a translator's fingerprint, its absence says nothing; the
   difference (ones' complement) stays the same from the translator on. It is known for methods whose checksum is the ident (UDP,
   UDP-Lite, DCCP) or constant in the flow (ICMP); TCP's is not sent ahead of time and lies beyond the eight bytes that every quote has.
3. A clamped MSS can be seen only in quotes that hold TCP's options.
"""

from pathwarden.model.probe import Method, Probe, Reply
from pathwarden.model.trace import UNMARKED, Marks
from pathwarden.wire.tcp import mss_of

_ONES = 0xFFFF  # ones' complement of 16 bits counts modulo this
_NAMED_BY_CHECKSUM = frozenset({Method.UDP, Method.UDPLITE, Method.DCCP})
_TOLD = slice(Reply._fields.index("quoted_tos"), None)  # and mtu, extensions, quoted_length, quoted_mss, segment


def marks_of(probe: Probe, reply: Reply) -> Marks:
    """The marks of a reply to a probe; the shared `UNMARKED` when there are none."""
    ident, flow, _, _ = probe
    checksum = reply.ident_checksum
    as_sent: tuple[object, ...] = (flow.tos, 0, (), flow.size, 0, b"")
    if checksum == ident and reply[_TOLD] == as_sent:  # as nearly everywhere
        return UNMARKED
    nat = 0
    if flow.method is Method.ICMP:
        if reply.dport:  # 0 in an echo reply, which quotes nothing
            nat = (reply.dport - flow.dport) % _ONES
    elif checksum and checksum != ident and flow.method in _NAMED_BY_CHECKSUM:
        nat = (checksum - ident) % _ONES
    tos = reply.quoted_tos if reply.quoted_tos != flow.tos else -1
    length = reply.quoted_length if reply.quoted_length != flow.size else 0
    mss = reply.quoted_mss
    if mss and mss == mss_of(flow.extra.tcp_options):
        mss = 0
    if tos < 0 and not (length or nat or reply.mtu or mss or reply.segment or reply.extensions):
        return UNMARKED
    return Marks(tos, length, nat, reply.mtu, mss, reply.segment, reply.extensions)

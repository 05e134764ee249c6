"""Traces as text, in traceroute(8)'s layout."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from pathwarden.model.network import Whose
from pathwarden.model.probe import Extension, InterfaceInfo, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import Answer, Hop
from pathwarden.present.hops import annotation, way_back
from pathwarden.wire import tcp

_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ae")  # by bit, from the lowest
# TCP's options as traceroute(8) names them in -O.
_OPTIONS = {tcp.SACK_PERMITTED: "sack", tcp.TIMESTAMPS: "timestamps", tcp.WINDOW_SCALE: "window_scaling", tcp.FAST_OPEN: "fastopen"}
_GRAPHIC = range(0x21, 0x7F)  # what a name of an interface may show as it is
_WORD = 4  # bytes


class Show(NamedTuple):
    """What a hop's line shows.

    `names` maps addresses to host names (an address without one stands for itself); None prints addresses alone. `as_of` maps addresses
    to AS numbers ("AS64500", several joined by "/"; `*` stands for none); None shows none. `extensions` are those of ICMP, `segment`
    is what TCP said when the target answered, `back` the guessed length of the way back where it is another.
    """

    names: Mapping[str, str] | None = None
    as_of: Mapping[str, str] | None = None
    extensions: bool = False
    segment: bool = False
    back: bool = False


def heading(host: str, address: str, max_ttl: int, size: int) -> str:
    """The first line."""
    return f"traceroute to {host} ({address}), {max_ttl} hops max, {size} byte packets"


def hop_line(hop: Hop, af: int, names: Mapping[str, str] | None = None, show: Show | None = None, mss: int = 0) -> str:
    """One hop; `show` None shows `names` and nothing else.

    `mss` is the TCP segment size that the hops before quoted (`quoted_mss`), 0 for none: a hop that quotes another one says `M=NUM`.
    """
    show = show or Show(names)
    text = f"{hop.ttl:2d} "
    before: tuple[object, ...] | None = None
    for answer in hop.answers:
        if answer.responder is None:
            text += " *"
        else:
            who = _who(answer, hop.ttl, show)
            # Whoever answered is told again where anything that stands beside the address differs.
            seen = (answer.responder, who, answer.reply_ttl if show.back else 0)
            text += f" {who}" if seen != before else ""
            before = seen
            text += f"  {(answer.rtt_ns or 0) / 1e6:.3f} ms"
        for mark in _marks(answer, af, mss):
            text += f" {mark}"
        mss = answer.marks.mss or mss
    return text


def numbers_of(hops: Iterable[Hop], whose: Whose) -> Mapping[str, str] | None:
    """What `Show.as_of` shows of the responders of these hops; None if no AS is known of any."""
    known = {responder: number for hop in hops for responder in hop.responders if (number := whose(responder).asn) is not None}
    return {responder: f"AS{number}" for responder, number in known.items()} or None


def quoted_mss(hop: Hop, before: int = 0) -> int:
    """The TCP segment size that a hop quotes otherwise than it was sent, else that of the hops before."""
    return next((answer.marks.mss for answer in reversed(hop.answers) if answer.marks.mss), before)


def extension(each: Extension) -> str:
    """One ICMP extension object: `MPLS:L=,E=,S=,T=/…`, `INC:index,address,"name",mtu=`, or `class/type:` and words in hexadecimal."""
    match each:
        case MplsStack(labels) if labels:
            return "MPLS:" + "/".join(f"L={e.label},E={e.traffic_class},S={int(e.bottom)},T={e.ttl}" for e in labels)
        case MplsStack():
            return "1/1:"
        case InterfaceInfo():
            return f"{each.role}:" + ",".join(_interface(each))
        case OtherObject(class_num, c_type, payload):
            return f"{class_num}/{c_type}:" + ",".join(payload[at : at + _WORD].hex() for at in range(0, len(payload), _WORD))


def segment(header: bytes) -> str:
    """Flags and options of a TCP header: `syn,ack,mss=1460,sack`; '' if it is too short to be one."""
    if len(header) < tcp.HEADER:
        return ""
    flags = int.from_bytes(header[12:14], "big") & tcp.FLAGS
    words = [name for bit, name in enumerate(_FLAGS) if flags >> bit & 1]
    options = header[tcp.HEADER :]
    if tcp.mss_of(options):
        words.append(f"mss={tcp.mss_of(options)}")
    return ",".join(words + [_OPTIONS[kind] for kind, _ in tcp.read_options(options) if kind in _OPTIONS])


def _who(answer: Answer, ttl: int, show: Show) -> str:
    """The responder and what stands beside its address."""
    responder = answer.responder or ""
    text = responder if show.names is None else f"{show.names.get(responder) or responder} ({responder})"
    if show.as_of is not None:
        text += f" [{show.as_of.get(responder) or '*'}]"
    said = [extension(each) for each in answer.marks.extensions] if show.extensions else []
    if show.segment and answer.marks.segment:
        said.append(segment(answer.marks.segment))
    if said:
        text += f" <{';'.join(said)}>"
    if show.back and answer.reply_ttl and way_back(answer.reply_ttl) != ttl:
        text += f" '-{way_back(answer.reply_ttl)}'"
    return text


def _marks(answer: Answer, af: int, mss: int) -> Iterator[str]:
    marks = answer.marks
    if answer.responder is not None:
        mark = annotation(af, answer.icmp_type, answer.icmp_code, marks.mtu)
        if mark:
            yield mark
    if marks.mtu and answer.kind is not ReplyKind.PACKET_TOO_BIG:  # a search for the path's MTU went on with smaller probes
        yield f"F={marks.mtu}"
    if marks.mss and marks.mss != mss:
        yield f"M={marks.mss}"


def _interface(each: InterfaceInfo) -> Iterator[str]:
    if each.ifindex:
        yield str(each.ifindex)
    if each.address:
        yield each.address
    if each.name:
        # A stranger chooses the name: nothing in it may end the quotes or move the terminal.
        yield '"' + "".join(chr(b) if b in _GRAPHIC and b not in b'%"' else f"%{b:02X}" for b in each.name.encode()) + '"'
    if each.mtu:
        yield f"mtu={each.mtu}"

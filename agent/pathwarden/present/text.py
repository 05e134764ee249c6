"""Traces as text, in traceroute(8)'s layout."""

from collections.abc import Mapping

from pathwarden.model.trace import Answer, Hop
from pathwarden.present.hops import annotation


def heading(host: str, address: str, max_ttl: int, size: int) -> str:
    """The first line."""
    return f"traceroute to {host} ({address}), {max_ttl} hops max, {size} byte packets"


def hop_line(hop: Hop, af: int, names: Mapping[str, str] | None) -> str:
    """One hop. `names` maps addresses to host names (an address without one stands for itself); None prints addresses alone."""
    text = f"{hop.ttl:2d} "
    before: str | None = None
    for answer in hop.answers:
        if answer.responder is None:
            text += " *"
            continue
        if answer.responder != before:
            text += f" {_who(answer.responder, names)}"
            before = answer.responder
        text += _figures(answer, af)
    return text


def _who(responder: str, names: Mapping[str, str] | None) -> str:
    return responder if names is None else f"{names.get(responder) or responder} ({responder})"


def _figures(answer: Answer, af: int) -> str:
    text = f"  {(answer.rtt_ns or 0) / 1e6:.3f} ms"
    mark = annotation(af, answer.icmp_type, answer.icmp_code)
    return f"{text} {mark}" if mark else text

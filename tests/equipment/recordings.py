"""Results as RIPE Atlas and scamper record them, in shorthand."""

from collections.abc import Iterable, Sequence
from typing import Any

START_S = 1_795_250_700
SITE = "192.0.2.9"
Row = str | None | Sequence[str | None]  # one responder for all queries, or one for each; None is silence


def atlas(
    *rows: Row, at_s: int = 0, paris: int = 1, probe: int = 6012, queries: int = 3, rtt_ms: float = 10.0, **more: object
) -> dict[str, Any]:
    """A result of firmware 5080; a last row that is the site is its arrival."""
    hops = [{"hop": ttl, "result": [_reply(who, ttl, rtt_ms) for who in _full(row, queries)]} for ttl, row in enumerate(rows, 1)]
    head = {
        "fw": 5080,
        "mver": "2.6.2",
        "lts": 21,
        "endtime": START_S + at_s + 4,
        "dst_name": SITE,
        "dst_addr": SITE,
        "src_addr": "192.168.1.107",
        "proto": "UDP",
        "af": 4,
        "size": 48,
        "paris_id": paris,
        "result": hops,
        "msm_id": 5006,
        "prb_id": probe,
        "timestamp": START_S + at_s,
        "msm_name": "Traceroute",
        "from": "198.51.100.44",
        "type": "traceroute",
    }
    return {**head, **more}


def scamper(*rows: Row, at_s: int = 0, sport: int = 36054, **more: object) -> dict[str, Any]:
    """A trace with udp-paris, one attempt a hop answered."""
    hops = [
        {
            "addr": who,
            "probe_ttl": ttl,
            "probe_id": attempt,
            "probe_size": 44,
            "tx": {"sec": START_S + at_s, "usec": 0},
            "rtt": 2.5 * ttl,
            "reply_ttl": 64 - ttl,
            "reply_tos": 192,
            "reply_ipid": 7,
            "reply_size": 72,
            "icmp_type": 3 if who == SITE else 11,
            "icmp_code": 3 if who == SITE else 0,
            "icmp_q_ttl": 1,
            "icmp_q_ipl": 44,
            "icmp_q_tos": 0,
        }
        for ttl, row in enumerate(rows, 1)
        for attempt, who in enumerate([row] if row is None or isinstance(row, str) else row, 1)
        if who
    ]
    reached = any(hop["addr"] == SITE for hop in hops)
    head = {
        "type": "trace",
        "version": "0.1",
        "userid": 0,
        "method": "udp-paris",
        "src": "203.0.113.7",
        "dst": SITE,
        "sport": sport,
        "dport": 33435,
        "stop_reason": "COMPLETED" if reached else "GAPLIMIT",
        "stop_data": 0,
        "start": {"sec": START_S + at_s, "usec": 250_000, "ftime": "-"},
        "hop_count": len(rows),
        "attempts": 2,
        "hoplimit": 0,
        "firsthop": 1,
        "wait": 5,
        "wait_probe": 0,
        "tos": 0,
        "probe_size": 44,
        "probe_count": len(rows),
        "hops": hops,
    }
    return {**head, **more}


def _full(row: Row, queries: int) -> Iterable[str | None]:
    return [row] * queries if row is None or isinstance(row, str) else row


def _reply(who: str | None, ttl: int, rtt_ms: float) -> dict[str, object]:
    return {"x": "*"} if who is None else {"from": who, "ttl": 64 - ttl, "size": 76, "rtt": round(rtt_ms + ttl / 8, 3)}

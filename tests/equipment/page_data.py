"""What an agent would answer, for the page's tests: four targets, one of them named by a stranger, two paths, three events."""

import datetime as dt
from typing import Any

HOSTILE = "<img src=x onerror=\"window.hacked='label'\">"
HOSTILE_ADDRESS = "<script>window.hacked='ptr'</script>"
LONG6 = "2001:db8:ffff:eeee:dddd:cccc:bbbb:"

Json = dict[str, Any]

BEFORE = [["192.0.2.1"], [], ["198.51.100.1"], ["198.51.100.9", "198.51.100.10"], ["203.0.113.9"], ["1.1.1.1"]]
AFTER = [["192.0.2.1"], [], ["198.51.100.7"], ["198.51.100.33"], ["203.0.113.9"], ["1.1.1.1"]]
WAN = {"device": "wan", "source": "192.0.2.44", "gateway": "192.0.2.1", "table": 254}


def session() -> Json:
    """Who looks from the machine itself: nobody signs in there."""
    right = {"right": "write", "can_sign_in": False, "suggested": ""}
    return {"signed_in": False, "name": None, "token": None, "no_password": False, **right}


def instant(age_s: float) -> str:
    """An instant so many seconds ago, as the interface writes it."""
    at = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=age_s)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z"


def now_s() -> int:
    """Now, in whole seconds since 1970."""
    return int(dt.datetime.now(dt.UTC).timestamp())


BEGAN_S = now_s()  # what was measured before stays what it was, however often it is asked for


def state(target: str, **changed: Any) -> Json:
    """A target's state; what is not named is that of a healthy one."""
    usual: Json = {
        "v": 1, "agent": "home-rt", "target": target, "name": target, "address": "1.1.1.1", "af": 4, "proto": "udp", "method": "udp",
        "ts": instant(0), "measured_at": instant(20), "clock_synced": True, "added_by": None, "state": "ok",
        "verdict": "ok", "reached": True, "rtt_ms": 11.62, "rtt_min_ms": 11.1,
        "rtt_max_ms": 12.9, "jitter_ms": 0.4, "loss_pct": 0.0, "hop_count": 6, "silent_hops": 1, "path_id": "r1", "path_label": "A",
        "path_since": instant(9000), "usual_path": "A", "changes_24h": 2, "stability_pct_7d": 99.1, "last_change_at": instant(9000),
        "last_event_id": None, "next_run_at": instant(-150), "stale_after_s": 900, "source": "default", "kernel_route": WAN, "error": None,
        "error_detail": None, "learning": False, "running": False, "resolving": False,
        "muted_until": None, "muted_pairs": [],
    }  # fmt: skip
    return usual | changed


def spark(rtt_ms: float | None) -> Json:
    """Three hours of one figure that swings a little, with a gap and two losses; nothing at all for None."""
    if rtt_ms is None:
        return {"at_s": [], "rtt_ms": [], "lost": [], "changed": []}
    lost = [1 if index in (12, 13) else 0 for index in range(36)]
    rtts = [None if index == 13 else rtt_ms + (index * 7 % 5) * 0.3 for index in range(36)]
    return {"at_s": [1_700_000_000 + 300 * index for index in range(36)], "rtt_ms": rtts, "lost": lost, "changed": [1_700_003_000]}


def outline(one: Json) -> Json:
    """What adds latency on the way to a target, and why the IPv6 one is lost."""
    place = {"key": "location.between", "args": {"place": "isp", "sureness": "probable", "near": "198.51.100.33", "far": "203.0.113.9"}}
    why = place | {"evidence": ["several_fail", "last_answer"]} if one["target"] == "six" else None
    return {"strip": one["rtt_ms"] and {"local": 0.42, "isp": 7.9, "transit": None, "destination": 3.3}, "why": why}


def series(known: bool) -> Json:
    """A day in buckets of five minutes: a swing, a slower third on path B, two losses, a gap of an hour; or nothing."""
    ats = [BEGAN_S - 86_400 + 300 * index for index in range(288)]
    gap = range(100, 112)
    sent = [0 if index in gap or not known else 3 for index in range(288)]
    lost = [{200: 1, 201: 3}.get(index, 0) if count else 0 for index, count in enumerate(sent)]
    medians = [11 + index % 5 * 0.2 + 4 * (150 < index < 200) if count and index != 201 else None for index, count in enumerate(sent)]
    return {
        "target": "cloudflare",
        "columns": {
            "at_s": ats, "rtt_median_ms": medians, "rtt_min_ms": [ms and ms - 1 for ms in medians],
            "rtt_max_ms": [ms and ms + 3 for ms in medians], "sent": sent, "lost": lost,
            "path_id": [None if not count else "r2" if 150 < index < 200 else "r1" for index, count in enumerate(sent)],
        },
    }  # fmt: skip


def heat(known: bool) -> Json:
    """Six hops in a day of half hours: hop 2 is silent, hop 3 limits its answers, from the 40th on all is lost behind hop 4."""
    start = BEGAN_S - 86_400
    row = {2: [100] * 48, 3: [33, 67] * 24, 5: [0] * 40 + [100] * 8, 6: [0] * 40 + [100] * 8}
    hops = [
        {"ttl": ttl, "loss_pct": row.get(ttl, [0] * 48), "rtt_ms": [None if ttl == 2 else 2.0 * ttl + index % 7 for index in range(48)]}
        for ttl in range(1, 7)
    ]
    return {
        "target": "cloudflare",
        "start_s": start,
        "width_s": 1800,
        "at_s": [start + 1800 * n + 60 for n in range(48)],
        "hops": hops if known else [],
    }


def diff() -> Json:
    """From path B to path A: a hop replaced, one removed, one not known."""
    rows = [
        ("same", 1, 1, 1.0, 1.1),
        ("unknown", 2, 2, None, None),
        ("replaced", 3, 3, 6.0, 7.5),
        ("removed", 4, None, 7.0, None),
        ("same", 5, 4, 14.2, 11.6),
    ]
    old = [["192.0.2.1"], [], ["198.51.100.1"], ["198.51.100.9", "198.51.100.10"], ["1.1.1.1"]]
    new = [["192.0.2.1"], [], [HOSTILE_ADDRESS], ["1.1.1.1"]]
    return {
        "target": "cloudflare", "same": False,
        "old": {"path_id": "r2", "label": "B", "at": instant(9_000), "length": 5, "rtt_ms": 14.2},
        "new": {"path_id": "r1", "label": "A", "at": instant(20), "length": 4, "rtt_ms": 11.6},
        "rows": [
            {"op": op, "old_ttl": a, "new_ttl": b, "old": old[a - 1] if a else [], "new": new[b - 1] if b else [],
             "old_rtt_ms": was, "new_rtt_ms": now}
            for op, a, b, was, now in rows
        ],
    }  # fmt: skip


def states() -> list[Json]:
    """The targets in configuration order."""
    return [
        state("cloudflare", name="Cloudflare DNS"),
        state(
            "six", name="台北 IPv6", added_by="mqtt", address=f"{LONG6}1111", af=6, state="degraded", verdict="isp", loss_pct=8.3,
            rtt_ms=38.25,
            path_label="AB", usual_path="A", source="wanb",
            kernel_route={"device": "pppoe-wanb", "source": f"{LONG6}aaaa", "gateway": "fe80::ffff:eeee:dddd:cccc", "table": 102},
        ),
        state(
            "odd", name=HOSTILE, address=None, state="error", verdict="unknown", error="unknown_host",
            error_detail=f"the name does not resolve: {HOSTILE}", rtt_ms=None, loss_pct=None,
            hop_count=None, path_id=None, path_label=None, path_since=None, usual_path=None, changes_24h=0, kernel_route=None,
        ),
        state("new", name="Quad9", address="9.9.9.9", measured_at=None, state="unknown", verdict="unknown", learning=True, resolving=True,
              rtt_ms=None, hop_count=None,
              loss_pct=None, path_id=None, path_label=None, path_since=None, usual_path=None, changes_24h=0),
    ]  # fmt: skip


def summary() -> Json:
    """The overview's data."""
    targets = [one | {"spark": spark(one["rtt_ms"]), "outline": outline(one)} for one in states()]
    sentence = "Your ISP loses 8 % of packets towards 台北 IPv6; the other targets are fine."
    notices = [{"level": "notice", "text": "MQTT is off."}, {"level": "warning", "text": "UDP source ports are rewritten by the firewall."}]
    return {"v": 1, "agent": "home-rt", "ts": instant(0), "clock_synced": True, "verdict": "isp", "sentence": sentence, "notices": notices,
            "targets": targets}  # fmt: skip


def status() -> Json:
    """The agent's own state."""
    return {
        "v": 1, "agent": "home-rt", "version": "0.1.0", "ts": instant(0), "clock_synced": True, "started_at": instant(90_000),
        "uptime_s": 90_000, "transport": {"name": "raw", "detail": ""}, "targets": 4, "rounds": 300,
        "mqtt": {"enabled": False, "connected": False, "outbox": 0, "detail": ""},
        "db": {"path": "/etc/pathwarden/history.db", "size_bytes": 2_621_440, "limit_bytes": 16_777_216, "traces": 900, "events": 3,
               "notice": None},
        "counters": {"probes_sent": 16_000, "replies": {"time_exceeded": 9000}, "late": 2, "duplicate": 0, "foreign": 4, "malformed": 0},
        "next_run_at": instant(-150), "verdict": "isp", "sentence": summary()["sentence"], "notices": [],
    }  # fmt: skip


def hop(ttl: int, responder: str | None, rtts: list[float | None], **changed: Any) -> Json:
    """One hop of a trace with an answer per round-trip time."""
    known = sorted(rtt for rtt in rtts if rtt is not None)
    answers = [
        {"responder": None if rtt is None else responder, "rtt_ms": rtt, "kind": None if rtt is None else "time_exceeded", "annotation": "",
         "reply_ttl": 60, "quoted_ttl": 1, "mpls": []}
        for rtt in rtts
    ]  # fmt: skip
    median = known[len(known) // 2] if known else None
    usual = {"ttl": ttl, "answers": answers, "responders": [responder] if known else [], "loss_pct": 0.0, "rtt_ms": median, "adds_ms": None}
    nobody = dict.fromkeys(("asn", "as_name", "country", "city", "ixp"))
    return usual | {"note": ""} | nobody | changed


def trace() -> Json:
    """A trace with a quiet hop, one that limits its answers, labels and a stranger's name."""
    hops = [
        hop(1, "192.0.2.1", [1.234, 0.987, 1.1], adds_ms=1.1),
        hop(2, None, [None, None, None], note="quiet"),
        hop(3, "198.51.100.7", [6.5, None, None], note="rate_limited", adds_ms=4.9),
        hop(4, HOSTILE_ADDRESS, [8.25, 8.125, 19.5], adds_ms=1.2),
        hop(5, f"{LONG6}5555", [9.0, 9.5, 9.25], adds_ms=1.0),
        hop(6, "1.1.1.1", [11.6, None, 11.875], adds_ms=2.4, loss_pct=33.3),
    ]
    hops[4]["answers"][0] |= {"mpls": [[24012, 0, True, 1]], "annotation": "!H"}
    return {
        "id": 77, "target": "cloudflare", "at": instant(20), "clock_synced": True, "duration_ms": 2345.6, "address": "1.1.1.1", "af": 4,
        "proto": "udp", "method": "udp", "source": "default", "kernel_route": WAN, "transport": "raw", "reason": "schedule",
        "ending": "reached", "error": None, "error_detail": None, "reached": True,
        "reached_ttl": 6, "hop_count": 6, "rtt_ms": 11.875, "loss_pct": 33.3,
        "path_id": "r1", "path_label": "A", "probes": 18, "late": 1, "duplicates": 0, "hops": hops,
    }  # fmt: skip


def target(one: Json) -> Json:
    """A target's page; only cloudflare has been traced."""
    config = {"id": one["target"], "label": one["name"], "host": "one.one.one.one", "family": "auto", "method": "udp", "port": 33434,
              "source": "", "interval_s": 300, "queries": 3, "first_ttl": 1, "max_ttl": 30, "dscp": 0, "enabled": True}  # fmt: skip
    if one["target"] != "cloudflare":
        return {"config": config, "state": one, "path": None, "trace": None}
    rows = [
        {"ttl": each["ttl"], "responders": each["responders"], "silent": not each["responders"], "rtt_ms": each["rtt_ms"],
         "rtt_min_ms": each["rtt_ms"], "rtt_max_ms": each["rtt_ms"], "sent": 3, "lost": 0, "loss_pct": 0.0, "adds_ms": each["adds_ms"],
         "note": each["note"], "mpls": []}
        for each in trace()["hops"]
    ]  # fmt: skip
    common = {key: one[key] for key in ("v", "agent", "target", "name", "address", "af", "proto", "ts", "clock_synced", "path_id")}
    path = common | {"path_label": "A", "since": instant(9000), "usual": True, "hop_count": 6, "reached": True, "hops": rows}
    return {"config": config, "state": one, "path": path | {"truncated": False}, "trace": trace()}


def paths() -> list[Json]:
    """Two paths, the usual one first."""
    common = {"target": "cloudflare", "address": "1.1.1.1", "epoch": "wan|192.0.2.44|192.0.2.1", "length": 6, "loss_pct": 0.0}
    first = {"path_id": "r1", "label": "A", "hops": AFTER, "first_at": instant(600_000), "last_at": instant(20), "held_s": 580_000,
             "share_pct": 96.7, "traces": 860, "rtt_ms": 11.6, "usual": True, "current": True}  # fmt: skip
    second = {"path_id": "r2", "label": "B", "hops": BEFORE, "first_at": instant(30_000), "last_at": instant(9000), "held_s": 19_800,
              "share_pct": 3.3, "traces": 40, "rtt_ms": 14.2, "usual": False, "current": False}  # fmt: skip
    return [common | first, common | second]


def event(seq: int, **changed: Any) -> Json:
    """A path change at hops 3 and 4."""
    usual: Json = {
        "v": 1, "event_type": "path_changed", "event_id": f"01J{seq:023}", "seq": seq, "severity": "notice", "notify": True,
        "delayed": False, "agent": "home-rt", "target": "cloudflare", "name": "Cloudflare DNS", "address": "1.1.1.1", "af": 4,
        "proto": "udp", "ts": instant(9000 - seq), "clock_synced": True, "first_seen_at": instant(9030), "occurred_at": instant(9000 - seq),
        "confirmations": 3, "group_id": None, "change": "reroute", "changes": ["reroute"], "scope": "isp", "first_diff_ttl": 3,
        "last_diff_ttl": 4, "hops_added": 2, "hops_removed": 2, "similarity": 0.6, "new_path_known": False, "returns_to_usual": False,
        "rtt_delta_ms": -2.6, "cause": {"kind": "remote", "detail": ""}, "location": None,
        "old": {"path_id": "r2", "label": "B", "since": instant(30_000), "duration_s": 21_000, "hop_count": 6, "rtt_ms": 14.2,
                "loss_pct": 0.0, "hops": BEFORE},
        "new": {"path_id": "r1", "label": "A", "since": instant(9000), "duration_s": None, "hop_count": 6, "rtt_ms": 11.6,
                "loss_pct": 0.0, "hops": AFTER},
        "title": "Path to Cloudflare DNS changed at hop 3", "message": "Hops 3 to 4 were replaced; 2.6 ms faster.", "url": None,
        "note": None,
    }  # fmt: skip
    return usual | changed


def said(key: str, *clauses: tuple[str, Json], **args: Any) -> Json:
    """An event's `text`: a title, and clauses of the message as (key, arguments)."""
    return {"title": {"key": key, "args": args}, "message": [{"key": name, "args": values} for name, values in clauses]}


def story() -> list[Json]:
    """One event of each kind that the watch brought, newest first; three belong to incident G1."""
    name = "Cloudflare DNS"
    lasting = {"old": {"path_id": "r1", "label": "A", "hops": AFTER, "rtt_ms": 11.6}, "new": {"path_id": "r1", "label": "A", "hops": AFTER}}
    lasting |= {"first_diff_ttl": None, "last_diff_ttl": None, "name": name}
    place = ("location.between", {"place": "transit", "sureness": "probable", "near": "198.51.100.33", "far": "203.0.113.9"})
    lost = {"event_type": "target_unreachable", "severity": "critical", "change": "lost", "group_id": "G1"}
    moved = "your default route moved from wan to wanb 3 s earlier"
    return [
        event(29, group_id="G1", text=said("title.path_changed", ("where.range", {"first": 3, "last": 4}), ("path.before", {"label": "B"}),
              ("path.faster", {"ms": 2.6}), ("cause.said", {"detail": moved}), name=name, label="A"),
              cause={"kind": "route", "detail": moved}),
        event(28, **lasting, event_type="path_attribute_changed", severity="info", change="dscp",
              text=said("title.dscp", ("where.one", {"first": 4}), ("value.changed", {"before": "0x28", "after": "0x00"}), name=name)),
        event(27, **lasting, event_type="path_attribute_changed", severity="info", change="mpls",
              text=said("title.mpls", ("value.changed", {"before": "off", "after": "on"}), name=name)),
        event(26, **lasting, event_type="path_unstable", severity="warning", change="flapping",
              text=said("title.path_unstable", ("path.often", {}), name=name)),
        event(25, **lasting, event_type="path_stable", change="flapping",
              text=said("title.path_stable", ("path.stays", {"label": "A"}), name=name)),
        event(24, **lasting, event_type="latency_shift", severity="warning", change="latency",
              text=said("title.slower", ("value.changed", {"before": "12.1 ms", "after": "36.4 ms"}), ("path.slower", {"ms": 24.3}),
                        name=name)),
        event(23, **lasting, **lost, text=said("title.target_unreachable", ("lost.after", {"ttl": 4}), place, name=name)),
        event(22, **lasting | {"name": "台北 IPv6"}, **lost, target="six",
              text=said("title.target_unreachable", ("lost.all", {}), place, name="台北 IPv6")),
        event(21, **lasting, event_type="digest", severity="critical", change=None,
              text=said("title.digest", ("digest.limit", {}), ("digest.target_unreachable", {"count": 7}), name=name, count=7)),
        event(20, target=None, name="home-rt", event_type="uplink_down", severity="critical", change=None, old=None, new=None,
              text=said("title.uplink_down", ("said", {"detail": "wan has no carrier"}), device="wan")),
        event(19, target=None, name="home-rt", event_type="probe_error", severity="warning", change=None, old=None, new=None,
              text=said("title.probe_error", ("said", {"detail": "Your resolver does not answer."}))),
    ]  # fmt: skip


def incident(**changed: Any) -> Json:
    """Incident G1, still open."""
    text = [{"key": "incident.unreachable.many", "args": {"count": 2}}, {"key": "incident.still", "args": {"count": 1}}]
    sentence = "2 targets do not answer; 1 still do not answer."
    usual: Json = {"id": "G1", "opened_at": instant(9000), "updated_at": instant(8000), "closed_at": None, "severity": "critical",
                   "kind": "target_unreachable", "targets": ["cloudflare", "six"], "target_count": 2,
                   "sentence": sentence, "text": text}  # fmt: skip
    return usual | changed


def events() -> list[Json]:
    """Newest first."""
    lost = {"event_type": "target_unreachable", "severity": "critical", "change": None, "old": None, "new": None, "first_diff_ttl": None,
            "last_diff_ttl": None, "title": "台北 IPv6 does not answer", "message": "No reply beyond hop 4."}  # fmt: skip
    started = lost | {"event_type": "agent_started", "severity": "info", "title": HOSTILE, "message": ""}
    return [event(3), event(2, target="six", name="台北 IPv6", **lost), event(1, target=None, name=None, **started)]

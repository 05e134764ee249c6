"""Long texts in few bytes: the JSON of events, incidents and what is told.

A packed text is zlib (RFC 1950) with the preset dictionary below: what the objects of events have in common. The dictionary is part of the
format and stays as it is, whatever becomes of those objects: it only has to be like them.
"""

import zlib

_LEVEL = 9  # a text is packed once, and takes a tenth of a millisecond
_ALIKE = b"""unreachable"lost_at_ttl":"last_seen_ttl":"digest":{"first_at":"last_at":"path_unstable","path_attribute_changed","attribute"\
"latency_shift","target_reachable","target_unreachable","state":"down","reason":"outage_s":"loss_pct":0.0,"rtt_ms":null,"error"\
","title":"Incident: the path to  changed","message":"The path to changed; the path left its old way in a network on the way, \
neither your ISP's nor the destination's, behind ","text":{"title":{"key":"title.incident","args":{"sentence":"the path to \
"code":null,"device":null,"cause":{"kind":"unknown","detail":null},"incident":{"id":"01K","opened_at":"202","updated_at":"2026-\
","closed_at":null,"severity":"notice","kind":"path_changed","targets":["t"],"target_count":1,"lost_count":0,"event_ids":["01K\
"],"event_count":1,"sentence":" is reachable again after is unreachable since","incident.path","incident.lost","incident.closed"\
{"v":1,"clock_synced":true,"event_type":"incident","event_id":"01K","severity":"warning","notify":false,"delayed":false,\
"agent":"","target":null,"name":"","group_id":"01KDW","change":"hop","changes":["hop"],"length","new_path_known":false,\
"returns_to_usual":true,"path_reverted",{"v":1,"clock_synced":true,"event_type":"path_changed","event_id":"01KD","severity":"notice",\
"notify":true,"delayed":false,"agent":"","target":"","name":"","address":"","af":4,"proto":"udp","first_seen_at":"2026-01-01T00:00:00Z",\
"occurred_at":"2026-01-01T00:00:00Z","confirmations":3,"group_id":"01K","change":"hop","changes":["hop"],"scope":"transit",\
"first_diff_ttl":1,"last_diff_ttl":1,"hops_added":["10."],"hops_removed":["10."],"similarity":0.9,"new_path_known":true,\
"returns_to_usual":false,"rtt_delta_ms":null,"before":null,"after":null,"cause":{"kind":"unknown","detail":null},\
"location":{"segment":"transit","between":[["10."],["10."]],"confidence":0.7,"direction":"forward","evidence":["route_left","by_address"]},\
"old":{"path_id":"","label":"A","since":"2026-01-01T00:00:00Z","duration_s":,"hop_count":12,"rtt_ms":,"loss_pct":0.0,\
"hops":[["192.168.1.1"],["10.0.0.1"],[],["240.0.0.1"]],"address":"."},"new":{"path_id":"","label":"B","since":"2026-01-01T","duration_s":0,\
"hop_count":12,"rtt_ms":null,"loss_pct":0.0,"hops":[["192.168.1.1"],["10."]],"address":"10."},"digest":null,"title":"Path to changed to B",\
"message":"Hop differs; before it was path A; the path left its old way in a network on the way, neither your ISP's nor the destination's, \
behind ","text":{"title":{"key":"title.path_changed","args":{"name":"","label":"B"}},"message":[{"key":"where.one","args":{"first":}},\
{"key":"path.before","args":{"label":"A"}},{"key":"location.left","args":{"place":"transit","sureness":"probable","near":"","far":""}}]},\
"url":null,"truncated":false}"""


def pack(text: str) -> bytes:
    """The packed text."""
    packer = zlib.compressobj(_LEVEL, zdict=_ALIKE)
    return packer.compress(text.encode()) + packer.flush()


def unpack(kept: str | bytes) -> str:
    """The text, whether it was packed or not."""
    if isinstance(kept, str):
        return kept
    return zlib.decompressobj(zdict=_ALIKE).decompress(kept).decode()

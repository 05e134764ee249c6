"""Items of RIPE Atlas, scamper and ourselves as traces; and whatever else an item may be."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipment.fakes import hop, make_trace
from equipment.recordings import SITE, START_S, atlas, scamper
from pathwarden.export.reading.forms import traces
from pathwarden.export.reading.items import Splitter
from pathwarden.export.reading.recorded import Ignored, Recorded, Stream, Unreadable
from pathwarden.model.history import StoredTrace
from pathwarden.model.probe import Flow, Method, MplsLabel, MplsStack, OtherObject, ReplyKind
from pathwarden.model.trace import UNMARKED, Answer, Ending, Hop, KernelRoute, Marks, Reason, Trace
from pathwarden.present.history import trace as present
from pathwarden.present.hops import annotation

CORPUS = Path(__file__).parents[1] / "corpus/recorded"
HOME, FIRST, SECOND, LAST = "192.168.1.1", "198.51.100.1", "203.0.113.1", "203.0.113.9"


def read(item: object) -> Recorded:
    found = traces(json.dumps(item).encode())
    assert isinstance(found, tuple)
    (one,) = found
    return one


def file(name: str) -> list[Recorded | Ignored]:
    with (CORPUS / name).open("rb") as data:
        found = [traces(item.data) for item in Splitter(data)]
    return [each for one in found for each in (one if isinstance(one, tuple) else [one])]


def responders(trace: Trace) -> list[list[str | None]]:
    return [[answer.responder for answer in each.answers] for each in trace.hops]


def kinds(each: Hop) -> list[ReplyKind | None]:
    return [answer.kind for answer in each.answers]


# RIPE Atlas


def test_a_result_of_the_newest_firmware():
    found = read(atlas(HOME, None, [FIRST, None, FIRST], SITE, paris=7, at_s=60))
    assert found.stream == Stream("probe-6012", "measurement 5006, IPv4 UDP", SITE, "7")
    trace = found.trace
    assert (trace.target, trace.address, trace.ending, trace.reached_ttl, trace.error) == (SITE, SITE, Ending.REACHED, 4, "")
    assert trace.flow == Flow(4, Method.UDP, "192.168.1.107", SITE, 7, 0, 0, 0, 76)
    assert trace.kernel_route == KernelRoute("", "198.51.100.44", "", 0)
    assert trace.at == trace.mono_ns == (START_S + 60) * 10**9
    assert (trace.duration_ns, trace.clock_synced, trace.reason, trace.probes) == (4 * 10**9, True, Reason.SCHEDULE, 12)
    assert responders(trace) == [[HOME] * 3, [None] * 3, [FIRST, None, FIRST], [SITE] * 3]
    assert trace.hops[0].answers[0] == Answer(0, HOME, 10_125_000, ReplyKind.TIME_EXCEEDED, 11, 0, 63, 1)
    assert trace.hops[3].answers[2] == Answer(2, SITE, 10_500_000, ReplyKind.PORT_UNREACHABLE, 3, 3, 60, 1)


@pytest.fixture(scope="module")
def firmware() -> list[Any]:
    return file("atlas-firmware.ndjson")


def test_firmware_4430_has_other_names_and_a_last_probe_with_ttl_255(firmware):
    old = firmware[0]
    assert old.stream == Stream("probe-6012", "measurement 5006, IPv4 UDP", SITE, "1")
    assert (old.trace.ending, old.trace.reached_ttl, [each.ttl for each in old.trace.hops], old.trace.probes) == (
        Ending.GAP,
        None,
        [1, 2, 3],
        12,
    )


def test_late_and_duplicate_replies_are_no_answers(firmware):
    assert (responders(firmware[1].trace)[0], firmware[1].trace.late) == ([HOME, HOME, None], 1)
    assert (responders(firmware[3].trace)[1], firmware[3].trace.duplicates) == ([FIRST] * 3, 1)


def test_a_router_that_forwards_with_ttl_0_says_so(firmware):
    assert [[answer.quoted_ttl for answer in each.answers] for each in firmware[2].trace.hops] == [[1] * 3, [0] * 3, [1] * 3, [1] * 3]


def test_icmp_extensions(firmware):
    answer = firmware[3].trace.hops[1].answers[0]
    assert answer.marks == Marks(
        extensions=(MplsStack((MplsLabel(407904, 1, False, 1), MplsLabel(17, 0, True, 1))), OtherObject(2, 14, b""))
    )
    assert kinds(firmware[3].trace.hops[2]) == [ReplyKind.ECHO_REPLY] * 3


def test_tcp_flags_say_open(firmware):
    trace = firmware[4].trace
    assert (trace.flow.method, kinds(trace.hops[2]), trace.reached_ttl) == (Method.TCP, [ReplyKind.OPEN] * 3, 3)
    closed = atlas(HOME, SITE, proto="TCP")
    closed["result"][1]["result"][0]["flags"] = "RA"
    assert kinds(read(closed).trace.hops[1])[0] is ReplyKind.CLOSED


def test_errors_by_letter_and_by_number(firmware):
    trace = firmware[5].trace
    assert (trace.ending, trace.reached_ttl) == (Ending.UNREACHABLE, None)
    assert [(a.kind, a.icmp_type, a.icmp_code) for a in trace.hops[2].answers] == [
        (ReplyKind.UNREACHABLE, 3, 1),
        (ReplyKind.UNREACHABLE, 3, 0),
        (ReplyKind.UNREACHABLE, 3, 10),
    ]


def test_marks_of_the_way(firmware):
    trace = firmware[6].trace
    middle = trace.hops[1].answers
    assert (trace.flow.tos, middle[0].marks, middle[2].marks) == (72, UNMARKED, Marks(tos=0))
    assert (middle[1].kind, middle[1].icmp_type, middle[1].icmp_code, middle[1].marks.mtu) == (ReplyKind.PACKET_TOO_BIG, 3, 4, 1492)


def test_ipv6_in_canonical_form(firmware):
    found = firmware[7]
    assert found.stream == Stream("probe-6012", "measurement 5006, IPv6 ICMP", "site.example", "1")
    assert found.trace.hops[1].responders == ("2001:db8::2",)
    answer = found.trace.hops[1].answers[0]
    assert (answer.kind, answer.icmp_type, answer.icmp_code) == (ReplyKind.UNREACHABLE, 1, 1)
    assert (found.trace.ending, found.trace.flow.size) == (Ending.REACHED, 96)


def test_no_probe_could_leave(firmware):
    assert [(each.trace.ending, each.trace.error, each.trace.hops) for each in firmware[8:11]] == [
        (Ending.ERROR, "send_failed: sendto failed: Operation not permitted", ()),
        (Ending.ERROR, "send_failed: connect failed: Network is unreachable", ()),
        (Ending.ERROR, "unknown_host: nowhere.example", ()),
    ]


def test_a_destination_found_by_the_last_probe_is_as_far_as_its_quote_says(firmware):
    trace = firmware[11].trace
    assert (trace.ending, trace.reached_ttl, [each.ttl for each in trace.hops]) == (Ending.REACHED, 7, [1, 2, 3, 4, 5, 6, 7])


def test_other_measurements_are_ignored(firmware):
    assert firmware[12] == Ignored("ping")
    assert len(firmware) == 13


def test_the_destinations_address_before_the_last_hop_is_no_arrival():
    trace = read(atlas(HOME, SITE, SITE)).trace
    assert (kinds(trace.hops[1]), trace.reached_ttl) == ([ReplyKind.TIME_EXCEEDED] * 3, 3)


def test_a_clock_that_is_not_known_to_be_right():
    synced = [read(atlas(HOME, SITE, lts=lts)).trace.clock_synced for lts in (-1, 0, 86_400, 86_401, 3411695)]
    assert synced == [False, True, True, False, False]
    without = atlas(HOME, SITE)
    del without["lts"]  # firmware before 4650
    assert read(without).trace.clock_synced


# scamper


def test_a_trace_of_scamper():
    found = read(scamper(HOME, [None, FIRST], None, SITE, at_s=5))
    assert found.stream == Stream("203.0.113.7", "IPv4 udp-paris", SITE, "36054-33435")
    trace = found.trace
    assert (trace.ending, trace.reached_ttl, trace.address, trace.probes) == (Ending.REACHED, 4, SITE, 4)
    assert trace.at == (START_S + 5) * 10**9 + 250_000_000
    assert trace.flow == Flow(4, Method.UDP, "203.0.113.7", SITE, 36054, 33435, 0, 0, 44)
    assert responders(trace) == [[HOME], [None, FIRST], [None, None], [SITE]]
    assert trace.hops[1].answers == (Answer(0), Answer(1, FIRST, 5_000_000, ReplyKind.TIME_EXCEEDED, 11, 0, 62, 1))


def test_all_attempts_were_made_where_a_hop_answered_two():
    trace = read(scamper([HOME, HOME], [FIRST, None], None, [SITE, SITE], attempts=3)).trace
    assert responders(trace) == [[HOME, HOME, None], [FIRST, None, None], [None] * 3, [SITE, SITE, None]]


def test_the_first_reply_to_a_probe_counts():
    twice = scamper(HOME, SITE)
    twice["hops"].insert(1, {**twice["hops"][0], "addr": FIRST})
    trace = read(twice).trace
    assert (responders(trace), trace.duplicates) == ([[HOME], [SITE]], 1)


def test_the_checksum_of_icmp_is_its_flow_and_a_monitor_has_a_name():
    probed = scamper(HOME, SITE, method="icmp-echo-paris", icmp_sum=36101, monitor="ams-nl")
    del probed["sport"], probed["dport"]
    probed["hops"][1].update(icmp_type=0, icmp_code=0)
    found = read(probed)
    assert found.stream == Stream("ams-nl", "IPv4 icmp-echo-paris", SITE, "36101")
    assert (found.trace.flow.dport, kinds(found.trace.hops[1])) == (36101, [ReplyKind.ECHO_REPLY])


def test_what_scamper_tells_of_the_way():
    found = [each for each in file("scamper.json") if isinstance(each, Recorded)][-1].trace
    assert (found.ending, found.reached_ttl) == (Ending.UNREACHABLE, None)
    assert found.hops[1].answers[1].marks == Marks(tos=8, extensions=(MplsStack((MplsLabel(17, 0, True, 1),)),))
    assert (found.hops[2].answers[0].kind, found.hops[2].answers[0].icmp_code) == (ReplyKind.UNREACHABLE, 1)
    big = scamper(HOME, FIRST)
    big["hops"][1].update({"icmp_type": 3, "icmp_code": 4, "icmp_nhmtu:": 1480})
    assert read(big).trace.hops[1].answers[0].marks.mtu == 1480
    handshake = scamper(HOME, SITE, method="tcp", dport=80)
    for name in ("icmp_type", "icmp_code", "icmp_q_ttl", "icmp_q_tos"):
        del handshake["hops"][1][name]
    handshake["hops"][1]["tcp_flags"] = 20
    assert kinds(read(handshake).trace.hops[1]) == [ReplyKind.CLOSED]


def test_no_probe_of_scamper_could_leave():
    trace = read(scamper(None, stop_reason="ERROR", stop_data=1)).trace
    assert (trace.ending, trace.error, trace.hops) == (Ending.ERROR, "send_failed: errno 1", ())


def test_what_scamper_writes_beside_traces():
    others = [each for each in file("scamper.json") if isinstance(each, Ignored)]
    assert [each.kind for each in others] == ["", "tracelb", "ping", ""]


# our own


def shown(trace: Trace) -> dict[str, object]:
    return json.loads(json.dumps(present(StoredTrace(7, trace.path.path_id, None, trace), None, full=True)))


ms = st.integers(0, 60 * 10**6).map(lambda us: us * 1000)  # three decimals of a millisecond
addresses = {4: st.ip_addresses(v=4).map(str), 6: st.ip_addresses(v=6).filter(lambda a: a.ipv4_mapped is None).map(str)}
words = st.integers(0, 65535)
octets = st.integers(0, 255)
stacks = (
    st.lists(st.builds(MplsLabel, st.integers(0, 2**20 - 1), st.integers(0, 7), st.booleans(), octets), max_size=3)
    .map(tuple)
    .map(MplsStack)
)
others = st.builds(OtherObject, octets, octets, st.binary(max_size=12)).filter(lambda each: each[:2] != (1, 1))
extensions = st.lists(stacks | others, max_size=3).map(tuple)
marks = st.builds(Marks, st.integers(-1, 255), words, words, words, words, st.just(b""), extensions)  # a segment is words to us
ICMP = {
    4: {
        ReplyKind.TIME_EXCEEDED: (11, 1),
        ReplyKind.UNREACHABLE: (3, 13),
        ReplyKind.PORT_UNREACHABLE: (3, 3),
        ReplyKind.PACKET_TOO_BIG: (3, 4),
        ReplyKind.ECHO_REPLY: (0, 0),
        ReplyKind.PARAMETER_PROBLEM: (12, 1),
    },
    6: {
        ReplyKind.TIME_EXCEEDED: (3, 0),
        ReplyKind.UNREACHABLE: (1, 5),
        ReplyKind.PORT_UNREACHABLE: (1, 4),
        ReplyKind.PACKET_TOO_BIG: (2, 0),
        ReplyKind.ECHO_REPLY: (129, 0),
        ReplyKind.PARAMETER_PROBLEM: (4, 1),
    },
}


@st.composite
def own_traces(draw: st.DrawFn) -> Trace:
    af = draw(st.sampled_from([4, 6]))

    def answer(query: int) -> Answer:
        if draw(st.booleans()):
            return Answer(query)
        kind = draw(st.sampled_from(ReplyKind))
        of = ICMP[af].get(kind, (0, 0))
        return Answer(query, draw(addresses[af]), draw(ms), kind, *of, draw(octets), draw(octets), draw(st.just(UNMARKED) | marks))

    ttls = sorted(draw(st.sets(st.integers(1, 64), min_size=1, max_size=4)))
    hops = tuple(Hop(ttl, tuple(answer(query) for query in range(draw(st.integers(0, 3))))) for ttl in ttls)
    base = make_trace(*hops, reached=False, at=draw(st.integers(0, 2**53)) * 1_000_000 % 2**62 // 1_000_000 * 1_000_000, af=af)
    ending = draw(st.sampled_from([Ending.REACHED, Ending.UNREACHABLE, Ending.GAP, Ending.MAX_TTL]))
    return replace(
        base,
        flow=base.flow._replace(method=draw(st.sampled_from(Method))),
        source=draw(st.sampled_from(["", "wanb"])),
        kernel_route=draw(st.none() | st.just(base.kernel_route)),
        reason=draw(st.sampled_from(Reason)),
        duration_ns=draw(ms),
        clock_synced=draw(st.booleans()),
        ending=ending,
        reached_ttl=draw(st.sampled_from(ttls)) if ending is Ending.REACHED else None,
        probes=draw(words),
        late=draw(words),
        duplicates=draw(words),
    )


@given(own_traces())
def test_what_we_print_reads_back_as_what_was_printed(trace):
    again = read(shown(trace)).trace
    # Findings compare with the probe's ToS and size, which are not told.
    assert shown(again) | {"findings": None} == shown(trace) | {"findings": None}
    assert again.path == trace.path
    assert (again.kernel_route, again.mono_ns) == (trace.kernel_route, trace.at)


@pytest.mark.parametrize(
    "error", ["no_route", "unknown_host: nowhere.example", "do_not_probe: 198.51.100.0/24", "a_reason_of_tomorrow: why"]
)
def test_a_trace_that_could_not_be_sent_reads_back(error):
    failed = replace(make_trace(), address="", ending=Ending.ERROR, error=error, reached_ttl=None, kernel_route=None)
    again = read(shown(failed)).trace
    assert (again.error, again.ending, again.hops) == (error, Ending.ERROR, ())
    assert shown(again) == shown(failed)


def test_a_table_of_several_traces():
    one = shown(make_trace(hop(1, "192.0.2.9", 1.0), target="web"))
    column = {"target": "web", "host": "web", "address": "192.0.2.9", "port": 443, "outcome": "open"}
    table = {"columns": [{**column, "flow": 2, "trace": one}, {**column, "flow": 3, "trace": None}], "rows": []}
    found = traces(json.dumps(table).encode())
    assert [each.stream for each in found] == [Stream("here", "IPv4 udp 443", "web", "2")]
    assert found[0].trace.flow.dport == 443


def test_a_list_without_hops_says_what_to_ask_for():
    listed = present(StoredTrace(7, "", None, make_trace(hop(1, "192.0.2.9", 1.0))), None, full=False)
    with pytest.raises(Unreadable, match=r"it has no hops, as the lists of `pathwarden history` have none; --at TIME prints a whole trace"):
        read(listed)


@pytest.mark.parametrize("af", [4, 6])
def test_every_annotation_leads_back_to_a_code_that_gives_it(af):
    for code in range(256):
        answer = Answer(0, "192.0.2.1" if af == 4 else "2001:db8::1", 1000, ReplyKind.UNREACHABLE, {4: 3, 6: 1}[af], code)
        if code == {4: 3, 6: 4}[af] or (af, code) == (4, 4):
            continue  # of another kind
        again = read(shown(make_trace(Hop(1, (answer,)), reached=False, af=af))).trace.hops[0].answers[0]
        assert annotation(af, again.icmp_type, again.icmp_code) == annotation(af, answer.icmp_type, code)
        assert again.kind is ReplyKind.UNREACHABLE


# whatever else

HOSTILE = [
    None,
    True,
    False,
    0,
    -1,
    2,
    10**30,
    1e308,
    -0.5,
    "",
    "x",
    "*",
    "\ud800",
    "a" * 2000,
    "::1",
    "192.0.2.1",
    [],
    {},
    [1],
    [[]],
    [{}],
    {"x": "*"},
]
GOOD = [
    atlas(HOME, None, SITE),
    scamper(HOME, [None, FIRST], SITE),
    shown(make_trace(hop(1, "10.0.0.1", 1.0), hop(2, "192.0.2.9", 2.0))),
    {"columns": [{"flow": 1, "port": 2, "trace": shown(make_trace(hop(1, "192.0.2.9", 1.0)))}], "rows": []},
    *[json.loads(line) for line in (CORPUS / "atlas-firmware.ndjson").read_text(encoding="utf-8").splitlines()],
]
json_values = st.recursive(
    st.sampled_from(HOSTILE) | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["result", "hops", "hop", "from", "rtt", "addr", "at"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in inner for place in places(each, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], by: object, *, drop: bool) -> Any:
    """The value with another one, or none, at a place."""
    if not path:
        return by
    key, *rest = path
    copy = dict(value) if isinstance(value, dict) else list(value)
    if drop and not rest:
        del copy[key]
    else:
        copy[key] = changed(value[key], tuple(rest), by, drop=drop)
    return copy


def readable(data: bytes) -> None:
    """Assert that bytes are traces, ignored, or one line of what is wrong."""
    try:
        found = traces(data)
    except Unreadable as error:
        text = str(error)
        assert text
        assert text.isprintable()
        assert len(text) < 400
        return
    if isinstance(found, Ignored):
        found.kind.encode()
        return
    for each in found:
        json.dumps(shown(each.trace), allow_nan=False).encode()
        assert each.trace.path is not None


@given(st.sampled_from(GOOD), st.data())
def test_any_value_at_any_place_gives_traces_or_the_one_error(item, data):
    place = data.draw(st.sampled_from(places(item)))
    readable(json.dumps(changed(item, place, data.draw(json_values), drop=data.draw(st.booleans()))).encode("utf-8", "surrogatepass"))


@given(json_values)
def test_any_json_value_gives_traces_or_the_one_error(value):
    readable(json.dumps(value).encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=60))
def test_any_bytes_give_traces_or_the_one_error(data):
    readable(data)


@given(st.sampled_from(GOOD), st.data())
def test_any_damage_gives_traces_or_the_one_error(item, data):
    text = bytearray(json.dumps(item).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(octets)
    readable(bytes(text))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"af": 5}, "af is 5; it must be 4 or 6"),
        ({"proto": "SCTP"}, "proto is 'SCTP'; it must be UDP, ICMP or TCP"),
        ({"timestamp": "now"}, "timestamp is 'now'; it must be a whole number from 0 to 9223372036"),
        ({"timestamp": 10**30}, f"timestamp is {10**30}; it must be a whole number from 0 to 9223372036"),
        ({"timestamp": True}, "timestamp is true; it must be a whole number from 0 to 9223372036"),
        ({"prb_id": None}, "prb_id is null; it must be a whole number from 0 to 9223372036854775808"),
        ({"dst_addr": "2001:db8::1"}, "dst_addr is '2001:db8::1'; it must be an IPv4 address"),
        ({"dst_name": "\ud800"}, "dst_name is '\\ud800'; it must be a text of at most 1024 characters without halves of surrogate pairs"),
        ({"result": "traceroute to …"}, "it is of firmware 1, whose results are the text of traceroute"),
        ({"result": {}}, "result is an object; it must be a list of objects"),
        ({"result": [7]}, "result[0] is 7; it must be an object"),
        ({"result": [{"hop": 300, "result": []}]}, "result[0].hop is 300; it must be a whole number from 1 to 255"),
        (
            {"result": [{"hop": 1, "result": [{"from": HOME, "rtt": -1, "ttl": 3}]}]},
            "result[0].result[0].rtt is -1; it must be a number of ms from 0 to 3600000",
        ),
        (
            {"result": [{"hop": 1, "result": [{"from": "nowhere", "rtt": 1}]}]},
            "result[0].result[0].from is 'nowhere'; it must be an IPv4 address",
        ),
        (
            {"result": [{"hop": 1, "result": [{"from": HOME, "rtt": 1, "err": "Q"}]}]},
            "result[0].result[0].err is 'Q'; it must be a code or one of N H P p A",
        ),
        ({"result": [{"hop": 1, "result": [{"x": "*"}] * 5000}]}, "it has more than 4096 answers"),
    ],
)
def test_what_is_wrong_with_a_result_is_named_by_its_place(change, problem):
    with pytest.raises(Unreadable) as caught:
        read(atlas(HOME, SITE) | change)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"fw": 5080, "rtt": NaN}', "it holds NaN, which is no number of JSON"),
        (b'{"fw": -Infinity}', "it holds -Infinity, which is no number of JSON"),
        (b'{"fw": ' + b"9" * 5000 + b"}", "it holds a number of thousands of digits"),
        (b'{"a": "\xff"}', "byte 7 of it is not UTF-8"),
        (b'{"a": }', "it is not JSON: Expecting value at character 6"),
        (b"{}", "it is no trace of RIPE Atlas, scamper or Pathwarden; its members are none"),
        (
            b'{"type": "weather", "\\u001b[2J": 1}',
            "it is no trace of RIPE Atlas, scamper or Pathwarden; its members are 'type', '\\x1b[2J'",
        ),
        (b"[1]", "it is a list and no object"),
    ],
)
def test_what_is_no_trace(data, problem):
    with pytest.raises(Unreadable) as caught:
        traces(data)
    assert str(caught.value) == problem


def test_an_infinite_rtt_is_refused():
    with pytest.raises(Unreadable, match=r"rtt is inf; it must be a number of ms"):
        traces(json.dumps(atlas(HOME, SITE)).replace("10.125", "1e999").encode())

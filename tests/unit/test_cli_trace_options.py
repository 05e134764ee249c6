"""Options of `pathwarden trace`: what each word comes to, and one line with a remedy for each that cannot be."""

import argparse
from pathlib import Path

import pytest

from pathwarden.cli import trace
from pathwarden.cli.main import main
from pathwarden.cli.tracing import options, values, wish
from pathwarden.cli.tracing.personality import Program
from pathwarden.cli.tracing.wish import UnknownHost, Wish, wishes
from pathwarden.config.load import load_here
from pathwarden.errors import CannotProbe, ConfigError
from pathwarden.model.probe import Method

HERE4, HERE6 = "192.0.2.1", "2001:db8::1"
NAMES = {"both.example": [HERE4, HERE6], "four.example": [HERE4], "six.example": [HERE6]}


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that resolve without a name server; addresses stand for themselves; no configuration; no devices are asked."""

    def resolve(host: str, family: int) -> str | None:
        found = NAMES.get(host, [host] if host.count(".") == 3 or ":" in host else [])
        return next((address for address in found if family in (0, 6 if ":" in address else 4)), None)

    monkeypatch.setattr(wish, "resolve_now", resolve)
    monkeypatch.setattr(wish, "find", lambda _path: None)
    monkeypatch.setattr(wish, "is_vrf", lambda device: device == "vrf-blue")
    monkeypatch.setattr(wish, "tables", lambda: {"wanb": 100})


def parsed(*words: str, program: Program = Program()) -> argparse.Namespace:  # noqa: B008 - frozen
    parser = argparse.ArgumentParser()
    parser.set_defaults(config=None)
    options.add(parser, program)
    return parser.parse_args(list(words))


def wished(*words: str) -> list[Wish]:
    return wishes(parsed(*words), [])


def one(*words: str) -> Wish:
    (found,) = wished(*words)
    return found


REFUSALS = {
    (): "no host; name what to trace, or see --help",
    ("-q", "11", "h"): "-q 11: above 10; write a number from 1 to 10",
    ("-q", "0", "h"): "-q 0: below 1; write a number from 1 to 10",
    ("-q", "x", "h"): "-q x: not a number; write a number from 1 to 10",
    ("-q", "010", "h"): "-q 010: not a number; write a number from 1 to 10",
    ("-N", "0", HERE4): "-N 0: below 1; write a number from 1 to 255",
    ("-m", "256", HERE4): "-m 256: above 255; write a number from 1 to 255",
    ("-f", "9", "-m", "3", HERE4): "-f 9: the first ttl is beyond the largest one, 3; raise -m or lower -f",
    ("-p", "0", HERE4): "-p 0: below 1; write a number from 1 to 65535",
    ("-p", "65536", HERE4): "-p 65536: above 65535; write a number from 1 to 65535",
    ("-p", "nosuchservice", HERE4): "-p nosuchservice: not a port; write a number from 1 to 65535, or a name of /etc/services",
    ("-p", "90-80", HERE4): "-p 90-80: runs backwards; write 80-90",
    ("-p", "1-65", HERE4): "-p 1-65: more than 64 ports; ask for fewer",
    ("-p", "1,2", "--classic", HERE4): "-p: several first ports; rising ports start from one: name one, or leave out --classic",
    ("-p", "1,2", "-I", HERE4): "-p: several ports of a method that has none; choose UDP or TCP, or leave the ports out",
    ("-t", "256", HERE4): "-t 256: above 255; write a number from 0 to 255",
    ("-t", "1", "--ecn", "0", HERE4): "-t beside --ecn: they exclude each other; leave out one of them",
    ("--dscp", "64", HERE4): "--dscp 64: above 63; write a number from 0 to 63",
    ("-l", "0x100000", HERE6): "-l 0x100000: above 1048575; write a number from 0 to 1048575",
    ("-l", "7", HERE4): "-l 7: 192.0.2.1 is reached over IPv4, which has no flow labels; leave out -l, or add -6",
    ("-w", "0", HERE4): "-w 0: a wait of 0 s; wait more than 0 and at most 20 s",
    ("-w", "21", HERE4): "-w 21: a wait of 21 s; wait more than 0 and at most 20 s",
    ("-w", "1,2,3,4", HERE4): "-w 1,2,3,4: more than MAX,HERE,NEAR; write one to three numbers, like 5,3,10",
    ("-w", "1,", HERE4): "-w 1,: nothing is not a time; write seconds, like 0.5",
    ("-w", "nan", HERE4): "-w nan: nan is not a time; write seconds, like 0.5",
    ("-z-1", HERE4): "-z -1: -1 is not a time; write seconds, like 0.5",
    ("-z", "100000", HERE4): "-z 100000: a pause of 100 s; pause at most 60 s",
    ("-I", "-T", HERE4): "icmp and tcp: two methods at once; ask for one of them",
    ("-P", "99", "-D", HERE4): "dccp and raw: two methods at once; ask for one of them",
    ("-P", "256", HERE4): "-O protocol 256: above 255; write a number from 0 to 255",
    ("-M", "sctp", HERE4): "-M sctp: no such method; choose one of default, icmp, tcp, tcpconn, udp, udplite, dccp, raw",
    ("-T", "-O", "synn", HERE4): (
        "-O synn: no option of the method tcp; it has fin, syn, rst, psh, ack, urg, ece, cwr, flags, ecn, sack, timestamps, "
        "window_scaling, sysctl, fastopen, reuse, mss, info"
    ),
    ("-O", "info", HERE4): "-O info: no option of UDP; it has none: leave -O out",
    ("-T", "-O", "flags", HERE4): "-O flags: lacks its value; write flags=NUMBER",
    ("-T", "-O", "syn=1", HERE4): "-O syn=1: takes no value; write syn",
    ("-T", "-O", ",".join(["syn"] * 16), HERE4): (
        "-O syn,syn,syn,syn,syn,syn,syn,syn,syn,syn,: more than 15 options; ask for fewer"
    ),
    ("-I", "-O", "raw,dgram", HERE4): "-O raw,dgram: two kinds of sockets; leave one out",
    ("-UL", "-O", "coverage=7", HERE4): "-O coverage=7: less than the header's 8 bytes (RFC 3828); write 0 or 8 and more",
    ("-4", "-6", "both.example"): "-4 and -6: two families at once; ask for one of them",
    ("-6", "four.example"): "four.example: the name does not resolve to an IPv6 address; check the spelling and the name server",
    ("nosuch.example",): "nosuch.example: the name does not resolve; check the spelling and the name server",
    (HERE4, "65001"): "length 65001: above 65000; a packet has at most so many bytes",
    ("-s", HERE6, HERE4): "-s 2001:db8::1: an IPv6 address, but the target is reached over IPv4; write an IPv4 address",
    ("-s", "nosuch", HERE4): "-s nosuch: not an address; write one, or a name that resolves",
    ("--next-hop", HERE4, HERE6): "--next-hop 192.0.2.1: an IPv4 address, but the target is reached over IPv6; write an IPv6 address",
    ("--next-hop", HERE4, "-r", HERE4): "-r beside --next-hop: they exclude each other; leave out one of them",
    ("--vrf", "wan", HERE4): (
        "--vrf wan: not a VRF; see them with: ip link show type vrf; leave through another device with -i"
    ),
    ("--vrf", "vrf-blue", "-i", "wan", HERE4): "-i beside --vrf: they exclude each other; leave out one of them",
    ("--table", "wanc", HERE4): "--table wanc: no routing table of this name; add it to /etc/iproute2/rt_tables, or write its number",
    ("--table", "0", HERE4): "--table 0: below 1; write a number from 1 to 4294967295",
    ("--fwmark", "0x100000000", HERE4): "--fwmark 0x100000000: above 4294967295; write a number from 1 to 4294967295",
    ("-g", ",".join([HERE4] * 9), HERE4): (
        "-g 192.0.2.1,192.0.2.1,192.0.2.1,192.0.2.1,: 9 gateways; name at most 8 over IPv4"
    ),
    ("-g", HERE6, HERE4): "-g 2001:db8::1: an IPv6 address, but the target is reached over IPv4; write an IPv4 address",
    ("-g", f"{HERE4},", HERE4): "-g: an empty address; write addresses with single commas between them",
    ("-g", f"256,{HERE6}", HERE6): "-g 256: above 255; write a number from 0 to 255",
    ("-D", "-O", "service=0x100000000", HERE4): "-O service 0x100000000: above 4294967295; write a number from 0 to 4294967295",
    ("-D", "-O", "service=-1", HERE4): "-O service -1: not a number; write a number from 0 to 4294967295",
    ("--mda", "--flows", "2", HERE4): "--mda beside --flows: they exclude each other; leave out one of them",
    ("--mda", "--mtu", HERE4): "--mda beside --mtu: they exclude each other; leave out one of them",
    ("--egress", "--pcap", "f", HERE4): "--egress beside --pcap: they exclude each other; leave out one of them",
    ("--confidence", "99", HERE4): "--confidence 99: only with --mda; add --mda or leave out --confidence",
    ("--live", "--mda", HERE4): "--mda beside --live: they exclude each other; leave out one of them",
    ("--mda", "--map", "f.svg", HERE4): "--mda beside --map: they exclude each other; leave out one of them",
    ("--live", "--matrix", HERE4): "--matrix beside --live: they exclude each other; leave out one of them",
    ("--live", "--count", "0", HERE4): "--count 0: below 1; write a number from 1 to 1000000",
    ("--live", "--interval", "0.1", HERE4): "--interval 0.1: a round every 0.1 s; write 0.5 to 3600",
    ("--count", "1", HERE4): "--count 1: only with --live; add --live or leave out --count",
    ("--interval", "2", HERE4): "--interval 2.0: only with --live; add --live or leave out --interval",
    ("--dot", "f", HERE4): "--dot f: only with --mda; add --mda or leave out --dot",
    ("--mda", "--confidence", "90", HERE4): (
        "--confidence 90: not a level that the stopping points are known for; write 95 or 99"
    ),
    ("--flows", "65", HERE4): "--flows 65: above 64; write a number from 1 to 64",
    ("--flows", "64", "-p", "1-5", HERE4): "320 traces at once: more than 256; ask for fewer hosts, ports or flows",
    ("-M", "tcpconn", "--pcap", "f", HERE4): (
        "--pcap f: the kernel sends tcpconn's packets, unseen by us; choose -T, or leave out --pcap"
    ),
}  # fmt: skip


@pytest.mark.parametrize("words", REFUSALS, ids=" ".join)
def test_what_cannot_be_is_refused_in_one_line(words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        wished(*words)
    assert str(caught.value) == REFUSALS[words]
    assert caught.value.exit_code == 2


TOO_SOON = "--interval 0.7: too short for 2 at once; give each router time: at least 1"
NO_TERMINAL = "--live: standard output is no terminal; add --count N for a report after N rounds"
NO_PICTURE = "--graph ways.jpg: the ending says the form; choose .svg, .dot, .png"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--live", "--count", "1", "--interval", "0.7", "--flows", "2", HERE4], f"pathwarden: {TOO_SOON}\n"),
        (["--live", HERE4], f"pathwarden: {NO_TERMINAL}\n"),
        (["--live", "--json", HERE4], "pathwarden: --live: --json prints a report; add --count N for a report after N rounds\n"),
        (["--graph", "ways.jpg", HERE4], f"pathwarden: {NO_PICTURE}\n"),
        (["--map", "ways.dot", HERE4], "pathwarden: --map ways.dot: the ending says the form; choose .svg, .png\n"),
        (["-k", "h"], "pathwarden: -k: no such option; see --help\n"),
        (["h", "--nosuch"], "pathwarden: --nosuch: no such option; see --help\n"),
        (["-q"], "pathwarden: -q/--queries: expected one argument; see --help\n"),
        (
            ["--m", "9", "h"],
            "pathwarden: ambiguous option: --m could match --max-hops, --module, --mda, --mtu, --matrix, --map; see --help\n",
        ),
    ],
)
def test_what_the_parser_does_not_know_is_one_line_too(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", *words]) == 2
    assert capsys.readouterr() == ("", line)


def test_a_wrong_value_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in str(values.bad("-q", "\x1b[2J" * 20, "no", "never"))


def test_numbers_are_decimal_or_hexadecimal() -> None:
    args = parsed("-t", "0x10", "-l", "0xFFFFF", "--fwmark", "0X1f", "-m", "9", HERE6)
    assert (args.tos, args.flowlabel, args.fwmark, args.max_hops) == (16, 0xFFFFF, 0x1F, 9)


def test_the_defaults_are_traceroutes() -> None:
    args = parsed(HERE4)
    assert (args.first, args.max_hops, args.queries, args.window, args.wait, args.pause) == (1, 30, 3, 16, (5, 3, 10), 0)


@pytest.mark.parametrize(
    ("text", "seen"),
    [("2", (2, 0, 0)), ("2,3", (2, 3, 0)), ("2/3/4", (2, 3, 4)), ("0.7,0.5,.5", (0.7, 0.5, 0.5))],
)
def test_waits_that_are_left_out_are_zero(text: str, seen: tuple[float, float, float]) -> None:
    assert values.waits(text) == seen


@pytest.mark.parametrize(("text", "seconds"), [("0.5", 0.5), ("9.9", 9.9), ("10", 0.01), ("500", 0.5), ("0", 0)])
def test_a_pause_from_ten_on_is_in_milliseconds(text: str, seconds: float) -> None:
    assert values.pause(text) == seconds


@pytest.mark.parametrize(
    ("text", "ports"),
    [("80", (80,)), ("443,80,443", (443, 80)), ("8000-8002,0x50", (8000, 8001, 8002, 80)), ("domain,http", (53, 80))],
)
def test_ports_are_numbers_ranges_and_names(text: str, ports: tuple[int, ...]) -> None:
    assert values.ports("-p")(text) == ports


def test_a_number_at_the_end_is_the_length() -> None:
    assert (one(HERE4, "100").size, one(HERE4, "0x64").size, one(HERE4).size) == (100, 100, 0)
    assert one(HERE4, "0").size == 1, "a length that is too small grows; it is no default"


def test_a_number_alone_is_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(NAMES, "7", [HERE4])
    assert (one("7").host, one("7").address) == ("7", HERE4)


@pytest.mark.parametrize(
    ("words", "method", "port"),
    [
        ((), Method.UDP, 0),
        (("--classic",), Method.UDP, 0),
        (("-M", "default"), Method.UDP, 0),
        (("-U",), Method.UDP, 53),
        (("-I",), Method.ICMP, 0),
        (("-T",), Method.TCP, 80),
        (("-M", "tcpconn"), Method.TCP_CONNECT, 80),
        (("-UL",), Method.UDPLITE, 53),
        (("-D",), Method.DCCP, 33434),
        (("-P", "99"), Method.RAW, 0),
        (("-T", "-p", "25"), Method.TCP, 25),
    ],
)
def test_methods_and_their_ports(words: tuple[str, ...], method: Method, port: int) -> None:
    found = one(*words, HERE4)
    assert (found.chosen.method, found.port) == (method, port)
    assert found.chosen.module.rising == (words in (("--classic",), ("-M", "default")))


def test_every_host_with_every_port_and_flow_in_their_order() -> None:
    found = wished("-p", "80,443", "--flows", "2", "four.example", "six.example")
    assert [(each.host, each.port, each.number) for each in found] == [
        (host, port, flow) for host in ("four.example", "six.example") for port in (80, 443) for flow in (0, 1)
    ]
    assert wished("-p", "80", "--ports", "443,80", HERE4)[1].port == 443


@pytest.mark.parametrize(
    ("words", "tos"),
    [((), 0), (("-t", "0x2e"), 0x2E), (("--dscp", "46"), 0xB8), (("--ecn", "1"), 1), (("--dscp", "46", "--ecn", "2"), 0xBA)],
)
def test_tos_whole_or_in_parts(words: tuple[str, ...], tos: int) -> None:
    assert one(*words, HERE4).tos == tos


def test_the_way_out() -> None:
    words = ("-i", "wanb", "-s", "192.0.2.9", "--fwmark", "256", "--table", "wanb", "--next-hop", "192.0.2.7", "-d")
    binding = one(*words, HERE4).source.binding
    assert binding == ("wanb", "192.0.2.9", 100, 256, "192.0.2.7", False, True)
    assert one("--vrf", "vrf-blue", HERE4).source.binding.device == "vrf-blue"
    assert one("-r", HERE4).source.binding.direct
    assert one("--table", "main", HERE4).source.binding.table == 254


def test_a_zone_is_the_device() -> None:
    found = one("fe80::1%wan")
    assert (found.address, found.source.binding.device) == ("fe80::1", "wan")
    assert one("-i", "wanb", "fe80::1%wan").source.binding.device == "wanb"


def test_a_mapped_address_means_ipv4() -> None:
    assert one("::ffff:192.0.2.1").address == HERE4


def test_gateways_of_both_families() -> None:
    four = one("-g", "192.0.2.2,192.0.2.3", "-g", "192.0.2.4", HERE4)
    assert four.extra.gateways == ("192.0.2.2", "192.0.2.3", "192.0.2.4")
    six = one("-g", "4,2001:db8::2,2001:db8::3", HERE6)
    assert (six.extra.gateways, six.extra.routing_type) == (("2001:db8::2", "2001:db8::3"), 4)
    assert one("-g", "2001:db8::2", HERE6).extra.routing_type == 2


def test_help_is_readable_at_80_columns(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as caught:
        main(["trace", "--help"])
    shown = capsys.readouterr().out
    assert caught.value.code == 0
    assert max(map(len, shown.splitlines())) <= 80
    places = [shown.index(f"\n{title}:\n") for title in ("what is traced", "method", "where they leave", "what is shown")]
    assert places == sorted(places)


CONFIGURED = """
config agent 'agent'
	list do_not_probe '198.51.100.0/24'
config target 'web'
	option host '2001:db8::1'
	option dscp '46'
	option ecn '1'
	option flow_label '7'
config target 'experiment'
	option host '192.0.2.1'
	option method 'raw'
	option protocol '99'
"""


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "pathwarden"
    file.write_text(CONFIGURED)
    monkeypatch.setattr(wish, "find", lambda _path: file)
    monkeypatch.setattr(wish, "load_here", lambda _path: load_here(file))


@pytest.mark.usefixtures("configuration")
def test_a_configured_targets_own_options_hold_unless_others_are_given() -> None:
    web = one("web")
    assert (web.host, web.tid, web.tos, web.label, web.chosen.method) == (HERE6, "web", 46 << 2 | 1, 7, Method.UDP)
    assert (one("--ecn", "2", "web").tos, one("-l", "9", "web").label) == (46 << 2 | 2, 9)
    assert one("experiment").extra.protocol == 99
    assert one("-I", "experiment").chosen.method is Method.ICMP


@pytest.mark.usefixtures("configuration")
def test_networks_that_asked_not_to_be_probed_are_spared() -> None:
    with pytest.raises(CannotProbe) as caught:
        wished("198.51.100.7")
    assert (
        str(caught.value) == "198.51.100.7: 198.51.100.0/24 asked not to be probed; leave it out, or take the network out of do_not_probe"
    )


def test_a_host_that_does_not_resolve_stops_no_others():
    unknown: list[UnknownHost] = []
    assert [each.host for each in wishes(parsed("nosuch.example", HERE4, "nor.this"), unknown)] == [HERE4]
    assert [str(each).partition(";")[0] for each in unknown] == [
        f"{name}: the name does not resolve" for name in ("nosuch.example", "nor.this")
    ]


@pytest.mark.parametrize(("others", "code"), [(0, 3), (5, 3), (130, 130)])
def test_an_unknown_host_among_others_is_told_and_3(capsys, monkeypatch, others, code):
    monkeypatch.setattr(trace, "_traced", lambda _args, todo: others if [each.host for each in todo] == [HERE4] else 1)
    assert main(["trace", "nosuch.example", HERE4]) == code
    assert capsys.readouterr().err == "pathwarden: nosuch.example: the name does not resolve; check the spelling and the name server\n"

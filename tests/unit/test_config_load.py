"""Loading: every message word for word, the defaults that depend on the machine, and what a good file gives."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pathwarden
from pathwarden.config.load import check, find, load
from pathwarden.config.schema import SECTIONS
from pathwarden.config.targets import default_target
from pathwarden.errors import ConfigError
from pathwarden.model.change import AgentKind, ChangeKind
from pathwarden.model.probe import Binding, Method
from pathwarden.model.settings import AgentSettings, Hook, MqttSettings, Source, Target, WebSettings

HOME = {"HOME": "/home/ann"}
T = "config target 't'\n\toption host '192.0.2.1'\n"
S = "config source 's'\n"


@pytest.fixture
def machine(tmp_path):
    """Loads a text as on a machine whose system files lie in a folder of its own."""

    def read(text, *, hostname="home-rt", environ=HOME, is_root=False):
        path = None
        if text is not None:
            path = tmp_path / "given"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return load(path, hostname=hostname, environ=environ, is_root=is_root, root=tmp_path)

    return read


def problems(machine, text, **facts):
    with pytest.raises(ConfigError) as caught:
        machine(text, **facts)
    return str(caught.value).splitlines()


BAD = [
    # numbers
    (T + "\toption interval_s '0'\n", "t.interval_s: 0 is below 1"),
    (T + "\toption interval_s '86401'\n", "t.interval_s: 86401 is above 86400"),
    (T + "\toption interval_s '5m'\n", "t.interval_s: 5m is not a whole number; write 1..86400 s"),
    (T + "\toption wait_s '0.05'\n", "t.wait_s: 0.05 is below 0.1"),
    (T + "\toption wait_s 'nan'\n", "t.wait_s: nan is not a number; write 0.1..10 s"),
    (T + "\toption jitter_pct '51'\n", "t.jitter_pct: 51 is above 50"),
    (T + "\toption queries '11'\n", "t.queries: 11 is above 10"),
    (T + "\toption gap_limit '31'\n", "t.gap_limit: 31 is above 30"),
    (T + "\toption dscp '64'\n", "t.dscp: 64 is above 63"),
    (T + "\toption port '65536'\n", "t.port: 65536 is above 65535"),
    (T + "\toption size '67'\n", "t.size: 67 is below 68"),
    (T + "\toption size '1281'\n", "t.size: 1281 is above 1280"),
    (T + "\toption size 'big'\n", "t.size: big is not a whole number; write 0, 68..1280 bytes"),
    (T + "\toption max_ttl '65'\n", "t.max_ttl: 65 is above 64"),
    (T + "\toption first_ttl '9'\n\toption max_ttl '8'\n", "t.first_ttl: 9 is above max_ttl 8"),
    ("config agent\n\toption max_pps '0'\n", "@agent[0].max_pps: 0 is below 0.1"),
    ("config agent\n\toption concurrency '257'\n", "@agent[0].concurrency: 257 is above 256"),
    ("config agent 'agent'\n\toption learn_h '721'\n", "agent.learn_h: 721 is above 720"),
    ("config agent 'agent'\n\toption db_max_mb '4097'\n", "agent.db_max_mb: 4097 is above 4096"),
    # words
    (T + "\toption enabled 'maybe'\n", "t.enabled: maybe is neither 0 nor 1; write 1 for yes, 0 for no"),
    (
        T + "\toption method 'sctp'\n",
        "t.method: sctp is not known; choose udp or icmp or tcp or tcp-connect or udplite or dccp or raw",
    ),
    (T + "\toption method 'tcp'\n", "t.port: is missing; tcp needs the port of a service, such as 443"),
    (
        T + "\toption method 'tcp-connect'\n\toption port '443'\n\toption interval_s '30'\n",
        "t.interval_s: 30 is too often for tcp-connect; a service deserves rest; write 60 or more",
    ),
    (
        "config agent 'agent'\n\tlist do_not_probe '192.0.2.1/24'\n",
        "agent.do_not_probe: 192.0.2.1/24 has bits beyond its prefix; write 192.0.2.0/24",
    ),
    (
        "config agent 'agent'\n\tlist do_not_probe 'example.net'\n",
        "agent.do_not_probe: example.net is not a network; write one like 198.51.100.0/24 or 2001:db8::/32",
    ),
    (T + "\toption family '5'\n", "t.family: 5 is not known; choose auto or 4 or 6"),
    (T + "\toption family '6'\n", "t.family: 6, but 192.0.2.1 is IPv4; write auto or 4"),
    (T + f"\toption label '{'x' * 65}'\n", "t.label: is 65 characters long; at most 64"),
    (T + "\toption label 'a\nb'\n", "t.label: a\\u000ab holds a control character or a line break; leave it out"),
    ("config agent 'agent'\n\toption name 'Home'\n", "agent.name: Home is not a name here; use 1 to 32 of a-z, 0-9 and -"),
    ("config agent 'agent'\n\toption db 'a.db'\n", "agent.db: a.db is not an absolute path; start it with /"),
    (T + "\tlist interval_s '60'\n", "t.interval_s: is a list; write option interval_s, not list interval_s"),
    # hosts
    ("config target 't'\n", "t.host: is missing; say what to trace"),
    (
        "config target 't'\n\toption host 'a b'\n",
        "t.host: a b is neither a host name nor an address; write one like example.net, 192.0.2.1 or 2001:db8::1",
    ),
    (
        "config target 't'\n\toption host '1.1.1'\n",
        "t.host: 1.1.1 is neither a host name nor an address; write one like example.net, 192.0.2.1 or 2001:db8::1",
    ),
    ("config target 't'\n\toption host '224.0.0.1'\n", "t.host: 224.0.0.1 does not belong to one host; write a unicast address"),
    (
        "config target 't'\n\toption host 'fe80::1%eth0'\n",
        "t.host: fe80::1%eth0 has a zone; leave out %eth0 and set device in a config source",
    ),
    # sections and names
    (T + "\toption intervall_s '60'\n", "t.intervall_s: unknown option; did you mean interval_s?"),
    (
        "config mqtt 'mqtt'\n\toption zzz '1'\n",
        (
            "mqtt.zzz: unknown option; known are host, port, username, password_file, prefix, tls, ca_file, cert_file, key_file, discovery,"
            " publish_results, allow_add"
        ),
    ),
    ("config targt 'x'\n", "x: unknown section type targt (line 1); did you mean target?"),
    ("\nconfig zoo\n", "@zoo[0]: unknown section type zoo (line 2); known are agent, defaults, target, source, mqtt, web, hook"),
    ("config hook\n", "@hook[0].program: is missing; say what to run"),
    ("config hook\n\toption program 'alarm'\n", "@hook[0].program: alarm is not an absolute path; start it with /"),
    (
        "config hook 'one'\n\toption program '/nowhere/alarm'\n",
        "one.program: /nowhere/alarm cannot be run (No such file or directory); name a program that is there",
    ),
    ("config hook\n\toption program '/etc/passwd'\n", "@hook[0].program: /etc/passwd is not executable; chmod +x /etc/passwd"),
    ("config hook\n\toption program '/etc'\n", "@hook[0].program: /etc is not executable; chmod +x /etc"),
    (
        "config hook\n\toption program '/bin/true'\n\tlist event 'incident'\n\tlist event 'path'\n",
        f"@hook[0].event: path is no event; known are {', '.join(kind.value for kind in (*ChangeKind, *AgentKind))}",
    ),
    (
        "config defaults\n\toption host '192.0.2.1'\n" + T,
        (
            "@defaults[0].host: unknown option; known are label, family, enabled, method, port, protocol, source, interval_s, jitter_pct,"
            " queries, first_ttl, max_ttl, wait_s, gap_limit, dscp, ecn, flow_label, size"
        ),
    ),
    ("config target\n\toption host '192.0.2.1'\n", "@target[0]: this target has no name (line 1); write config target 'NAME'"),
    ("config source\n\toption device 'eth0'\n", "@source[0]: this source has no name (line 1); write config source 'NAME'"),
    (f"config target '{'t' * 33}'\n\toption host '192.0.2.1'\n", f"{'t' * 33}: the name is 33 characters long; at most 32"),
    ("config web 'web'\nconfig web 'other'\n", "other: is a second web section (line 2); keep one"),
    (
        T + "config target 'u'\n\toption host '192.0.2.1'\n\toption port '33434'\n",
        "u: is the same target as t; leave one out, or give it another source, method or port",
    ),
    (
        "config defaults 'defaults'\n\toption queries '5'\n",
        "defaults.queries: has no effect without a target; add config target 'NAME' with option host",
    ),
    # sources
    (T + "\toption source 'wan'\n", "t.source: there is no source wan; add config source 'wan'"),
    ("config source 'wanb'\n\toption device 'a'\n" + T + "\toption source 'wan'\n", "t.source: there is no source wan; did you mean wanb?"),
    (S, "s: says no way out; set interface, device, address, table or fwmark"),
    (S + "\toption device 'a/b'\n", "s.device: a/b is not a device name; write one that `ip link` shows, at most 15 characters"),
    (S + "\toption interface 'w/an'\n", "s.interface: w/an is not an interface; write its name in /etc/config/network, like wan"),
    (S + "\toption interface 'wan'\n\toption device 'eth1'\n", "s.device: eth1 stands beside interface wan; leave out one of the two"),
    (S + "\toption address 'home'\n", "s.address: home is not an IP address; write one like 192.0.2.1 or 2001:db8::1"),
    (S + "\toption address '::'\n", "s.address: :: does not belong to one host; write a unicast address"),
    (S + "\toption table 'vpn'\n", "s.table: vpn is not in /etc/iproute2/rt_tables; add it there or write its number"),
    (S + "\toption table 'a b'\n", "s.table: a b is not a routing table; write its number or its name in /etc/iproute2/rt_tables"),
    (S + "\toption table '4294967296'\n", "s.table: 4294967296 is above 4294967295"),
    (S + "\toption fwmark '0x100000000'\n", "s.fwmark: 4294967296 is above 4294967295"),
    (S + "\toption fwmark '0'\n", "s.fwmark: 0 is below 1"),
    (S + "\toption fwmark 'ff'\n", "s.fwmark: ff is not a mark; write a number like 256 or 0x100"),
    # broker and page
    ("config mqtt 'mqtt'\n\toption port '0'\n", "mqtt.port: 0 is below 1"),
    (
        "config mqtt 'mqtt'\n\toption prefix 'a/#'\n",
        "mqtt.prefix: a/# cannot begin a topic; leave out + and #, a leading $, and / at either end or doubled",
    ),
    (
        "config mqtt 'mqtt'\n\toption username 'u'\n\toption password_file '/nowhere/p'\n",
        "mqtt.password_file: /nowhere/p cannot be read (No such file or directory); write the password there, then chmod 600 /nowhere/p",
    ),
    (
        "config mqtt 'mqtt'\n\toption username 'u'\n\toption password_file '/'\n",
        "mqtt.password_file: / is not a file; name the file that holds the password",
    ),
    (
        "config web 'web'\n\toption root '/nowhere'\n",
        "web.root: /nowhere cannot be read (No such file or directory); name the folder that holds the page's files",
    ),
    ("config web 'web'\n\toption root '/dev/null'\n", "web.root: /dev/null is not a folder; name the folder that holds the page's files"),
    (
        "config web 'web'\n\tlist listen '0.0.0.0:80'\n",
        "web.listen: 0.0.0.0:80 is not a loopback address; set auth to password, or choose 127.0.0.1:PORT or [::1]:PORT",
    ),
    (
        "config web 'web'\n\tlist listen '[::ffff:127.0.0.1]:80'\n",
        "web.listen: [::ffff:127.0.0.1]:80 is not a loopback address; set auth to password, or choose 127.0.0.1:PORT or [::1]:PORT",
    ),
    (
        "config web 'web'\n\tlist listen '8866'\n",
        "web.listen: 8866 is not ADDRESS:PORT; write one like 127.0.0.1:8866, [::1]:8866 or @lan:8866",
    ),
    (
        "config web 'web'\n\tlist listen 'unix:run/http.sock'\n",
        "web.listen: unix:run/http.sock is not unix:PATH; write one like unix:/run/pathwarden/http.sock, 107 bytes at most",
    ),
    (
        f"config web 'web'\n\tlist listen 'unix:/{'a' * 107}'\n",
        f"web.listen: unix:/{'a' * 58}... is not unix:PATH; write one like unix:/run/pathwarden/http.sock, 107 bytes at most",
    ),
    (
        "config web 'web'\n\tlist listen 'unix:/run/http.sock'\n",
        "web.listen: unix:/run/http.sock is not a loopback address; set auth to password, or choose 127.0.0.1:PORT or [::1]:PORT",
    ),
    (
        "config web 'web'\n\tlist listen '127.0.0.1:65536'\n",
        "web.listen: 127.0.0.1:65536 is not ADDRESS:PORT; write one like 127.0.0.1:8866, [::1]:8866 or @lan:8866",
    ),
    (
        "config web 'web'\n\tlist listen '127.0.0.1:80'\n\tlist listen '@lan:80'\n",
        "web.listen: @lan:80 is not a loopback address; set auth to password, or choose 127.0.0.1:PORT or [::1]:PORT",
    ),
    (
        "config web 'web'\n\toption auth 'password'\n",
        "web.password_file: is missing; name a file, and write it with: pathwarden password",
    ),
    (
        "config web 'web'\n\tlist listen '127.0.0.1:80'\n\tlist listen '127.0.0.1:80'\n",
        "web.listen: 127.0.0.1:80 stands twice; leave one out",
    ),
    (
        "config web 'web'\n\tlist listen 'off'\n\tlist listen '127.0.0.1:80'\n",
        "web.listen: off stands beside addresses; leave out one or the other",
    ),
]


@pytest.mark.parametrize(("text", "problem"), BAD, ids=[problem.partition(";")[0] for _, problem in BAD])
def test_each_problem_word_for_word(machine, text, problem):
    assert problems(machine, text) == [f"pathwarden.{problem}"]


def test_all_problems_are_told_at_once_and_none_follows_from_another(machine):
    text = T + "\toption first_ttl '40'\n\toption max_ttl '0'\n\toption source 'x'\nconfig web\n\toption rot '/'\n"
    assert problems(machine, text) == [
        "pathwarden.t.max_ttl: 0 is below 1",
        "pathwarden.@web[0].rot: unknown option; did you mean root?",
        "pathwarden.t.source: there is no source x; add config source 'x'",
    ]


def test_long_and_strange_values_stay_one_line(machine):
    (problem,) = problems(machine, T + "\toption dscp '" + "\u202e1" * 60 + "'\n")
    assert problem.startswith("pathwarden.t.dscp: \\u202e1")
    assert problem.isprintable()
    assert len(problem) < 150


def test_a_name_in_two_section_types_is_ucis_own_error(machine, tmp_path):
    reason = "section of different type overwrites prior section with same name"
    assert problems(machine, T + "config source 't'\n") == [
        f"{tmp_path}/given: Parse error ({reason}) at line 3, byte 18; correct it there"
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"config a\n\xff", "is not UTF-8 at byte 9; save it as UTF-8"),
        (b"#" * 262145, "is larger than 256 KiB; name a configuration file"),
        (b"config 'a\n", "Parse error (EOF with unterminated ') at line 1, byte 10; correct it there"),
    ],
)
def test_contents_that_are_no_configuration(machine, tmp_path, content, message):
    assert problems(machine, content) == [f"{tmp_path}/given: {message}"]


def test_files_that_cannot_be_read(tmp_path):
    absent, folder, below_file = tmp_path / "absent", tmp_path, tmp_path / "file" / "x"
    (tmp_path / "file").write_text("")
    assert check(absent) == [f"{absent}: does not exist; pathwarden config init > {absent} writes one"]
    assert check(folder) == [f"{folder}: is a folder; name the file in it"]
    assert check(below_file) == [f"{below_file}: cannot be read (Not a directory); let this user read it, or run as root"]


def test_hooks(machine, tmp_path):
    text = "config hook\n\toption program '/bin/true'\nconfig hook 'two'\n\toption program '/bin/true'\n\tlist event 'digest'\n"
    assert machine(text).hooks == (Hook("@hook[0]", "/bin/true", (), 30), Hook("two", "/bin/true", ("digest",), 30))
    program = tmp_path / "alarm"
    program.touch()
    program.chmod(0o757)
    text = f"config hook\n\toption program '{program}'\n"
    assert problems(machine, text) == [f"pathwarden.@hook[0].program: {program} is writable by everyone; chmod o-w {program}"]


def test_tls_files(machine, tmp_path):
    certificate, key = tmp_path / "own.pem", tmp_path / "own.key"
    text = f"config mqtt 'mqtt'\n\toption tls '1'\n\toption cert_file '{certificate}'\n\toption key_file '{key}'\n"
    assert problems(machine, text) == [
        f"pathwarden.mqtt.cert_file: {certificate} cannot be read (No such file or directory); write the certificate there",
        f"pathwarden.mqtt.key_file: {key} cannot be read (No such file or directory); write the key there, then chmod 600 {key}",
    ]
    certificate.touch()
    key.touch(mode=0o644)
    assert problems(machine, text) == [f"pathwarden.mqtt.key_file: {key} is readable by everyone; chmod 600 {key}"]
    key.chmod(0o600)
    mqtt = machine(text).mqtt
    assert (mqtt.tls, mqtt.ca_file, mqtt.cert_file, mqtt.key_file) == (True, "", str(certificate), str(key))
    plain = text.replace("tls '1'", "tls '0'")
    assert problems(machine, plain) == [
        "pathwarden.mqtt.cert_file: is set without tls; set tls to 1",
        "pathwarden.mqtt.key_file: is set without tls; set tls to 1",
    ]
    alone = f"config mqtt 'mqtt'\n\toption tls '1'\n\toption cert_file '{certificate}'\n"
    assert problems(machine, alone) == ["pathwarden.mqtt.cert_file: is set without key_file; set key_file too"]


def test_password_file_is_kept_from_others(machine, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("x")
    text = f"config mqtt 'mqtt'\n\toption username 'u'\n\toption password_file '{secret}'\n"
    secret.chmod(0o644)
    assert problems(machine, text) == [f"pathwarden.mqtt.password_file: {secret} is readable by everyone; chmod 600 {secret}"]
    secret.chmod(0o640)
    assert machine(text).mqtt.password_file == str(secret)
    nameless = f"config mqtt 'mqtt'\n\toption password_file '{secret}'\n"
    assert problems(machine, nameless) == ["pathwarden.mqtt.password_file: is set without username; set username too"]


def test_without_a_file_everything_is_default(machine):
    settings = machine(None, hostname="Home RT.lan")
    assert settings.agent == AgentSettings("home-rt-lan", 10.0, 1.0, 16, (), 24.0, "/home/ann/.local/state/pathwarden/history.db", 16)
    assert settings.mqtt == MqttSettings("", 1883, "", "", "pathwarden", discovery="homeassistant")
    assert settings.web == WebSettings(("127.0.0.1:8866",), settings.web.root)
    assert (Path(pathwarden.__file__).parents[2] / "web").samefile(settings.web.root)
    assert (settings.targets, settings.sources, settings.default_targets) == ((), (), True)


def test_standard_place_is_read_when_no_file_is_named(machine, tmp_path):
    assert find(None, tmp_path) is None
    place = tmp_path / "etc/config/pathwarden"
    place.parent.mkdir(parents=True)
    place.write_text("config agent 'agent'\n\toption name 'from-etc'\n")
    assert find(None, tmp_path) == place
    assert machine(None).agent.name == "from-etc"
    assert machine("").agent.name == "home-rt"


@pytest.mark.parametrize(("hostname", "name"), [("", "pathwarden"), ("x" * 40, "x" * 32), ("名", "-")])
def test_agent_name_from_the_host_name(machine, hostname, name):
    assert machine("", hostname=hostname).agent.name == name


@pytest.mark.parametrize(
    ("environ", "is_root", "openwrt", "place"),
    [
        (HOME, False, True, "/etc/pathwarden/history.db"),
        (HOME, True, False, "/var/lib/pathwarden/history.db"),
        ({**HOME, "XDG_STATE_HOME": "/s"}, False, False, "/s/pathwarden/history.db"),
        ({**HOME, "XDG_STATE_HOME": "s"}, False, False, "/home/ann/.local/state/pathwarden/history.db"),
    ],
)
def test_place_of_the_history(machine, tmp_path, environ, is_root, openwrt, place):
    if openwrt:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/openwrt_release").write_text("")
    assert machine("", environ=environ, is_root=is_root).agent.db == place


@pytest.mark.parametrize(
    ("environ", "is_root", "openwrt", "place"),
    [
        (HOME, False, True, "/var/run/pathwarden/live"),
        (HOME, True, False, "/var/run/pathwarden/live"),
        ({**HOME, "XDG_RUNTIME_DIR": "/run/user/7"}, False, False, "/run/user/7/pathwarden"),
        ({**HOME, "XDG_RUNTIME_DIR": "run"}, False, False, ""),
        (HOME, False, False, ""),
    ],
)
def test_place_in_memory(machine, tmp_path, environ, is_root, openwrt, place):
    if openwrt:
        (tmp_path / "etc").mkdir()
        (tmp_path / "etc/openwrt_release").write_text("")
    assert machine("", environ=environ, is_root=is_root).agent.live_dir == place
    assert machine("config agent\n\toption live_dir '/mnt/ram'\n", environ=environ, is_root=is_root).agent.live_dir == "/mnt/ram"


def test_no_home_no_history(machine):
    assert problems(machine, "", environ={}) == ["pathwarden.agent.db: there is no home folder to keep the history in; set db, or HOME"]
    assert machine("config agent\n\toption db '/x/y.db'\n", environ={}).agent.db == "/x/y.db"


def test_a_full_file(machine, tmp_path):
    tables = tmp_path / "etc/iproute2"
    (tables / "rt_tables.d").mkdir(parents=True)
    (tables / "rt_tables").write_text("# names\n255\tlocal\n0x64 vpn # tunnel\n")
    (tables / "rt_tables.d/lte.conf").write_text("101 lte\n")
    settings = machine(
        """
config agent 'agent'
	option name 'a'
	option max_pps '2.5'
config defaults 'defaults'
	option interval_s '60'
	option method 'icmp'
	option source 'one'
config source 'one'
	option device 'wwan0'
	option address '2001:db8::1'
	option table 'vpn'
	option fwmark '0x100'
config source 'two'
	option table 'lte'
config source 'three'
	option table 'main'
config source 'four'
	option fwmark '7'
config source 'five'
	option interface 'wan_6'
	option fwmark '0x200'
config target 'example'
	option host 'example.net'
	option label '例'
	option family '6'
	option interval_s '5'
config target 'plain'
	option host '192.0.2.7'
	option enabled 'off'
	option method 'udp'
	option source 'two'
	option port '443'
	option size '100'
config web 'web'
	option listen 'off'
"""
    )
    assert settings.agent.max_pps == 2.5
    assert settings.sources == (
        Source("one", Binding("wwan0", "2001:db8::1", 100, 256)),
        Source("two", Binding(table=101)),
        Source("three", Binding(table=254)),
        Source("four", Binding(fwmark=7)),
        Source("five", Binding(fwmark=512), "wan_6"),
    )
    assert settings.targets == (
        Target("example", "example.net", "例", 6, True, Method.ICMP, 0, 253, "one", 5, 10, 3, 1, 30, 3.0, 5, 0, 0, 0, 0),
        Target("plain", "192.0.2.7", "192.0.2.7", 0, False, Method.UDP, 443, 253, "two", 60, 10, 3, 1, 30, 3.0, 5, 0, 0, 0, 100),
    )
    assert settings.web.listen == ()
    assert not settings.default_targets


@pytest.mark.parametrize("auth", ["password", "none"])
@pytest.mark.parametrize("listen", ["0.0.0.0:80", "[2001:db8::1]:80", "192.0.2.1:80", "@lan:8866", "@br-lan.5:1", "unix:/run/http.sock"])
def test_who_says_how_people_sign_in_may_listen_anywhere(machine, auth, listen):
    text = f"config web\n\tlist listen '{listen}'\n\toption auth '{auth}'\n\toption password_file '/etc/pathwarden/passwords'\n"
    assert machine(text).web.listen == (listen,)


def test_openwrt_has_accounts_of_its_own(machine, tmp_path):
    (tmp_path / "etc").mkdir(exist_ok=True)
    (tmp_path / "etc/openwrt_release").touch()
    assert machine("config web\n\tlist listen '@lan:8866'\n").web.auth == "auto"
    # Without a word the page is at home in the router's own network, since whoever comes there signs in.
    assert machine("").web.listen == ("127.0.0.1:8866", "@lan:8866")
    assert machine("config web\n\tlist listen 'off'\n").web.listen == ()
    assert machine("config web\n\tlist listen '127.0.0.1:80'\n").web.listen == ("127.0.0.1:80",)


def test_loopback_listeners(machine):
    text = "config web\n\tlist listen '127.8.8.8:1'\n\tlist listen '[::1]:65535'\n"
    assert machine(text).web.listen == ("127.8.8.8:1", "[::1]:65535")


def test_same_host_with_another_method_or_port_is_another_target(machine):
    text = T + "".join(f"config target 't{port}'\n\toption host '192.0.2.1'\n\toption port '{port}'\n" for port in (1, 2))
    assert len(machine(text).targets) == 3
    icmp = "\toption method 'icmp'\n"
    both = T + icmp + "config target 'u'\n\toption host '192.0.2.1'\n\toption port '9'\n" + icmp
    assert problems(machine, both) == ["pathwarden.u: is the same target as t; leave one out, or give it another source, method or port"]


def test_default_target_is_what_a_bare_section_gives(machine):
    settings = machine("config target 'gw'\n\toption host '192.0.2.1'\n\toption family '4'\n")
    assert (default_target("gw", "192.0.2.1", "", 4),) == settings.targets
    assert default_target("gw", "192.0.2.1", "Gateway", 0).label == "Gateway"


def test_check_finds_nothing_in_a_good_file(tmp_path):
    good = tmp_path / "good"
    good.write_text(T)
    assert check(good) == []


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40)
typed = st.one_of(words, st.from_regex(r"-?[0-9]{1,30}(\.[0-9]+)?", fullmatch=True), st.ip_addresses().map(str))
options = st.sampled_from([(section, option.name) for section, listed in SECTIONS.items() for option in listed])


@given(options, typed)
def test_any_value_gives_settings_or_printable_problems(tmp_path_factory, option, value):
    section, name = option
    file = tmp_path_factory.getbasetemp() / "any"
    quoted = value.replace("'", "'\\''")
    file.write_bytes(f"config {section} 'x'\n\toption {name} '{quoted}'\n".encode())
    try:
        load(file, hostname="h", environ=HOME, is_root=False)
    except ConfigError as error:
        lines = str(error).split("\n")
        assert all(line.startswith("pathwarden.x.") and line.isprintable() for line in lines), lines

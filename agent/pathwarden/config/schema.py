"""The schema: every option with its type, default, range, unit and help; the single truth for checking, sample, page and README."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How an option's text is read."""

    STRING = "string"
    BOOL = "bool"
    INT = "int"
    FLOAT = "float"
    ENUM = "enum"
    ID = "id"
    HOST = "host"
    ADDRESS = "address"
    DEVICE = "device"
    INTERFACE = "interface"
    TABLE = "table"
    MARK = "mark"
    PATH = "path"
    SOURCE = "source"
    TOPIC = "topic"
    LISTEN = "list of address:port"
    NETWORKS = "list of networks"
    PATHS = "list of paths"
    PROGRAM = "program"
    EVENTS = "list of events"


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `default` is UCI text. `low` and `high` bound a number, `high` also a text's length; `zero` admits 0 below `low`."""

    name: str
    kind: Kind
    default: str
    help: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    zero: bool = False
    choices: tuple[str, ...] = ()
    required: bool = False

    @property
    def limits(self) -> str:
        """What may be written, in words: `1..86400 s`, `udp, icmp`; '' if the kind says it all."""
        if self.kind is Kind.BOOL:
            return "0, 1"
        if self.choices:
            return ", ".join(self.choices)
        if self.high is None:
            return ""
        if self.low is None:
            return f"at most {self.high:g} characters"
        # Not `:g` for the upper end: it would turn 4294967295 into 4.29497e+09.
        span = f"{self.low:g}..{int(self.high)}"
        return f"{'0, ' if self.zero else ''}{span}{' ' if self.unit else ''}{self.unit}"


# 32 characters keep `pathwarden_<agent>_<tid>` a short identifier in topics and in Home Assistant.
ID_LENGTH = 32
# A label shares a table row with figures.
LABEL_LENGTH = 64
# MQTT allows 65535 bytes; a name or a prefix of more than this is a slip of the clipboard.
TEXT_LENGTH = 128
# 16 bits (RFC 768), and 32 bits for the kernel's marks and tables.
PORT_MAX = 65535
U32_MAX = 0xFFFFFFFF
FLOW_LABEL_MAX = 0xFFFFF  # 20 bits (RFC 6437)
# The kernel's own routing tables (linux/rtnetlink.h), known without any file.
KERNEL_TABLES = {"default": 253, "main": 254, "local": 255}
# What switches the page off: UCI drops an empty value, so emptiness cannot be written.
LISTEN_OFF = "off"
DISCOVERY_OFF = "off"  # for the same reason

_HOST = Option(
    "host",
    Kind.HOST,
    "",
    "What to trace: a name, an IPv4 or an IPv6 address. A name is resolved again and again, so it may move.",
    required=True,
)

_TARGET = (
    Option("label", Kind.STRING, "", "What people read instead of the host, in any script. Empty: the host.", high=LABEL_LENGTH),
    Option("family", Kind.ENUM, "auto", "IP version for a name; auto: as it resolves.", choices=("auto", "4", "6")),
    Option("enabled", Kind.BOOL, "1", "0 pauses the target: no probes, its history stays."),
    Option(
        "method",
        Kind.ENUM,
        "udp",
        "What to probe with. ICMP passes some firewalls that drop UDP. tcp (SYN) and tcp-connect need a port, and disturb a service: ask"
        " its owner. All but udp, icmp and tcp-connect need raw sockets.",
        choices=("udp", "icmp", "tcp", "tcp-connect", "udplite", "dccp", "raw"),
    ),
    Option(
        "port",
        Kind.INT,
        "0",
        "Destination port. 0: 33434 for udp and dccp, 53 for udplite; icmp and raw have none, tcp has no default.",
        low=0,
        high=PORT_MAX,
    ),
    Option("protocol", Kind.INT, "253", "IP protocol of method raw; 253 is for experiments (RFC 3692).", low=1, high=254),
    Option("source", Kind.SOURCE, "", "The `config source` to leave by. Empty: the kernel's choice."),
    Option("interval_s", Kind.INT, "300", "Time between traces. Shorter sees changes sooner, and sends more.", "s", 1, 86400),
    Option("jitter_pct", Kind.INT, "10", "How much the interval varies, so that targets do not fall into step.", "%", 0, 50),
    Option("queries", Kind.INT, "3", "Probes per hop. More measure loss finer, and send more.", low=1, high=10),
    Option("first_ttl", Kind.INT, "1", "First hop to probe. Above 1 leaves out what is near, faults at home too.", "hops", 1, 64),
    Option("max_ttl", Kind.INT, "30", "Last hop to probe. A target further away counts as unreachable.", "hops", 1, 64),
    Option("wait_s", Kind.FLOAT, "3", "How long a reply may take. Later ones count as lost.", "s", 0.1, 10),
    Option("gap_limit", Kind.INT, "5", "Silent hops in a row that end a trace.", "hops", 1, 30),
    Option("dscp", Kind.INT, "0", "DSCP of the probes, to see the path of marked traffic.", low=0, high=63),
    Option("ecn", Kind.INT, "0", "ECN bits of the probes, to see who clears them. 1, 2: capable, 3: congested.", low=0, high=3),
    Option(
        "flow_label",
        Kind.INT,
        "0",
        "IPv6 flow label, by which load balancers choose. 0: one that follows from source and target.",
        low=0,
        high=FLOW_LABEL_MAX,
    ),
    Option(
        # 68 is the least any IPv4 link carries (RFC 791) and holds our IPv6 headers; 1280 passes every IPv6 link whole (RFC 8200).
        "size",
        Kind.INT,
        "0",
        "Size of a probe with its IP header. 0: 60 on IPv4, 80 on IPv6.",
        "bytes",
        68,
        1280,
        zero=True,
    ),
)

SECTIONS: dict[str, tuple[Option, ...]] = {
    "agent": (
        Option("name", Kind.ID, "", f"This agent in topics and on the page: 1 to {ID_LENGTH} of a-z, 0-9 and -. Empty: the host name."),
        Option("max_pps", Kind.FLOAT, "10", "Ceiling over all probes of all targets. Lower makes rounds longer.", "probes/s", 0.1, 10000),
        Option(
            "watch_pps", Kind.FLOAT, "1", "Single probes that watch all paths between traces; 0 leaves them unwatched.", "probes/s", 0, 100
        ),
        Option("concurrency", Kind.INT, "16", "How many traces may run side by side.", low=1, high=256),
        Option(
            "do_not_probe",
            Kind.NETWORKS,
            "",
            "Networks that asked not to be probed, such as 198.51.100.0/24: a target in one of them is never traced.",
        ),
        Option("learn_h", Kind.FLOAT, "24", "How long a new target only learns its paths before changes notify. 0: at once.", "h", 0, 720),
        Option(
            "db",
            Kind.PATH,
            "",
            "File of the history. Empty: /etc/pathwarden/history.db on OpenWrt, /var/lib/pathwarden/history.db for root elsewhere,"
            " $XDG_STATE_HOME/pathwarden/history.db otherwise.",
        ),
        Option("db_max_mb", Kind.INT, "16", "Ceiling of the history; above it the oldest goes.", "MB", 1, 4096),
        Option("hop_metrics", Kind.BOOL, "0", "1: /metrics tells RTT and loss of each hop too, 2 series for each hop of each target."),
        Option(
            "live_dir",
            Kind.PATH,
            "",
            "Folder in memory where measurements wait before they go to db. Empty: /var/run/pathwarden/live on OpenWrt and for root,"
            " $XDG_RUNTIME_DIR/pathwarden otherwise; without that they go to db at once.",
        ),
        # Shorter than a round it spares nothing; a day is as much as anyone may want to lose.
        Option(
            "flush_s",
            Kind.INT,
            "900",
            "How long they wait, which spares flash: a power cut costs as much of them. Events and changes of path never wait.",
            "s",
            10,
            86400,
        ),
        Option(
            "mmdb",
            Kind.PATHS,
            "",
            "Databases of networks and places in MaxMind's format (GeoLite2, DB-IP, IPinfo, or made by `pathwarden enrich update`); the"
            " first that knows a thing counts. Empty: the *.mmdb beside db and in /usr/share/GeoIP, /usr/local/share/GeoIP and"
            " /var/lib/GeoIP. What reads them is in the package pathwarden-tools.",
        ),
        Option(
            "dns_lookups",
            Kind.BOOL,
            "0",
            "1: ask Team Cymru over DNS for networks that no database knows, by /24 and /48. It tells them and your resolver which networks"
            " your paths cross.",
        ),
    ),
    "defaults": _TARGET,
    "target": (_HOST, *_TARGET),
    "source": (
        Option(
            "interface",
            Kind.INTERFACE,
            "",
            "OpenWrt's interface to leave by, as /etc/config/network names it: wan. Follows its device, its addresses, and what mwan3 or"
            " pbr want. Elsewhere, a device of this name.",
        ),
        Option("device", Kind.DEVICE, "", "Device to leave by, as `ip link` names it. Not beside interface."),
        Option("address", Kind.ADDRESS, "", "Own address to send from."),
        Option(
            "table",
            Kind.TABLE,
            "",
            "Routing table, a number or a name of /etc/iproute2/rt_tables; a rule must lead to it.",
            low=1,
            high=U32_MAX,
        ),
        Option("fwmark", Kind.MARK, "", "Firewall mark of the probes, decimal or 0x..., for rules that look at it.", low=1, high=U32_MAX),
        Option(
            "next_hop",
            Kind.ADDRESS,
            "",
            "Neighbour's address to hand the probes to, whatever the kernel's routes say. Needs raw sockets and a device.",
        ),
    ),
    "mqtt": (
        Option("host", Kind.HOST, "", "The broker. Empty: no MQTT."),
        Option("port", Kind.INT, "1883", "The broker's port.", low=1, high=PORT_MAX),
        Option("username", Kind.STRING, "", "Name to sign in with. Empty: without signing in.", high=TEXT_LENGTH),
        Option("password_file", Kind.PATH, "", "File that holds the password and nothing else; not readable by everyone (chmod 600)."),
        Option("prefix", Kind.TOPIC, "pathwarden", "First part of every topic.", high=TEXT_LENGTH),
        Option("tls", Kind.BOOL, "0", "1: speak TLS with the broker, and check its certificate; the port is usually 8883 then."),
        Option("ca_file", Kind.PATH, "", "File with the certificate of who signed the broker's (PEM). Empty: those this machine trusts."),
        Option("cert_file", Kind.PATH, "", "File with our own certificate (PEM), for a broker that wants one. Beside key_file."),
        Option("key_file", Kind.PATH, "", "File with its private key (PEM, without a passphrase); not readable by everyone (chmod 600)."),
        Option(
            "discovery",
            Kind.TOPIC,
            "homeassistant",
            f"Home Assistant's discovery prefix: the agent and each target become a device there. '{DISCOVERY_OFF}': none.",
            high=TEXT_LENGTH,
        ),
        Option(
            "publish_results",
            Kind.BOOL,
            "0",
            "1: publish every trace, too, as RIPE Atlas JSON. On OpenWrt this needs the package pathwarden-tools.",
        ),
        Option(
            "allow_add",
            Kind.BOOL,
            "0",
            "1: whoever may send commands may add targets, 20 at most, and remove those: probes go where they say.",
        ),
    ),
    "web": (
        Option(
            "listen",
            Kind.LISTEN,
            "127.0.0.1:8866",
            "Where the page listens: ADDRESS:PORT, [ADDRESS]:PORT, @INTERFACE:PORT for an interface's addresses, such as @lan:8866, or"
            " unix:PATH for a socket that a proxy on this machine asks (mode 660, the folder's group where that has g+s);"
            f" several as a list. Not set: on OpenWrt @lan:8866, too. '{LISTEN_OFF}': no page.",
        ),
        Option("root", Kind.PATH, "", "Folder of the page's files. Empty: those that came with this program."),
        Option(
            "auth",
            Kind.ENUM,
            "auto",
            "Who must sign in. auto: on OpenWrt whoever is not on the router itself, with its accounts; elsewhere the page is for this"
            " machine alone. password: everybody, with an account of password_file. none: nobody; others may only look then.",
            choices=("auto", "password", "none"),
        ),
        Option("password_file", Kind.PATH, "", "File with the accounts of auth password; `pathwarden password` writes it."),
        Option("guests", Kind.BOOL, "0", "1: whoever reaches the page may look; signing in is for changes alone."),
    ),
    "hook": (
        Option(
            "program", Kind.PROGRAM, "", "Executable that is run, without a shell; the event is JSON on its standard input.", required=True
        ),
        Option("event", Kind.EVENTS, "", "Which events it gets, such as path_changed and target_unreachable. Empty: all."),
        Option("timeout_s", Kind.INT, "30", "How long it may run before it is killed; the next event waits for it.", "s", 1, 600),
    ),
}

SECTION_HELP = {
    "agent": "The agent itself.",
    "defaults": "What holds for every target that does not say otherwise.",
    "target": "What to trace, one section per target; its name (1 to 32 of A-Z, a-z, 0-9 and _) is the target's id. Without any, the agent"
    " watches the default gateway, 1.1.1.1, 9.9.9.9 and one IPv6 address if there is a route.",
    "source": "A named way out for targets, with at least one option.",
    "mqtt": "The broker that is told about paths and changes.",
    "web": "The page in the browser.",
    "hook": "A program to run on events, as the daemon's user; as many as you like.",
}

# Sections that stand once in a file; the others are told apart by their names.
SINGLE = ("agent", "defaults", "mqtt", "web")
NAMELESS = ("hook",)  # nothing refers to one, so it needs no name


def describe() -> list[dict[str, object]]:
    """The schema as JSON-ready objects, one per section type and option; `low`, `high` are null where nothing bounds the option."""
    return [
        {
            "section": section,
            "option": option.name,
            "type": str(option.kind),
            "default": option.default,
            "low": option.low,
            "high": option.high,
            "zero": option.zero,
            "choices": list(option.choices),
            "unit": option.unit,
            "required": option.required,
            "help": option.help,
        }
        for section, options in SECTIONS.items()
        for option in options
    ]

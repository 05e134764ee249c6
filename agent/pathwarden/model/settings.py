"""Settings: the configuration after checking, with every default filled in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pathwarden.model.probe import Binding, Method


@dataclass(frozen=True, slots=True)
class Target:
    """What we trace, and how. `family`: 0 as the name resolves, else 4 or 6. `source` names a `Source`, '' is the kernel's choice."""

    tid: str
    host: str
    label: str
    family: int
    enabled: bool
    method: Method
    port: int
    protocol: int
    source: str
    interval_s: int
    jitter_pct: int
    queries: int
    first_ttl: int
    max_ttl: int
    wait_s: float
    gap_limit: int
    dscp: int
    ecn: int
    flow_label: int
    size: int


@dataclass(frozen=True, slots=True)
class Source:
    """A named way out: device, address, table and mark; or an `interface` of OpenWrt's, which brings them along ('' without)."""

    name: str
    binding: Binding
    interface: str = ""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The agent itself. With `hop_metrics` the metrics tell of each hop.

    `max_pps` is the ceiling over all probes, `watch_pps` how many a second watch the paths between traces (0: none), `concurrency` how many
    traces may run side by side. `do_not_probe` holds networks (`198.51.100.0/24`) into which no probe may go.
    Samples wait in `live_dir` (a folder that is memory; '': nowhere) for `flush_s` before they go to `db`. `mmdb` names databases of
    networks (none: those in the usual places); `dns_lookups` is the leave to ask a name server about what they do not know.
    """

    name: str
    max_pps: float
    watch_pps: float
    concurrency: int
    do_not_probe: tuple[str, ...]
    learn_h: float
    db: str
    db_max_mb: int
    hop_metrics: bool = False
    live_dir: str = ""
    flush_s: int = 900
    mmdb: tuple[str, ...] = ()
    dns_lookups: bool = False


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """The broker. An empty host switches MQTT off. With `tls`, an empty `ca_file` means the machine's own authorities.

    `discovery` is Home Assistant's prefix, or `off`. With `publish_results` every trace is published as well, with
    `allow_add` commands may add targets.
    """

    host: str
    port: int
    username: str
    password_file: str
    prefix: str
    tls: bool = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    discovery: str = "off"
    publish_results: bool = False
    allow_add: bool = False


@dataclass(frozen=True, slots=True)
class WebSettings:
    """The page. `listen` holds `address:port`, `@interface:port` and `unix:/path`; an empty tuple switches it off.

    `root` is the folder of its files.

    `auth` is auto, password or none. `guests` lets everybody look.
    """

    listen: tuple[str, ...]
    root: str
    auth: str = "auto"
    password_file: str = ""
    guests: bool = False


@dataclass(frozen=True, slots=True)
class Hook:
    """A program to run on events; an empty `event` means all of them. `name` is its section's, or `@hook[N]`."""

    name: str
    program: str
    event: tuple[str, ...]
    timeout_s: int


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration. `default_targets` tells that the owner named none, so the agent watches its own choice.

    `defaults` are what `config defaults` says otherwise than the schema, for targets that are added while the agent runs; `added` names
    those.
    """

    agent: AgentSettings
    mqtt: MqttSettings
    web: WebSettings
    targets: tuple[Target, ...]
    sources: tuple[Source, ...]
    default_targets: bool
    hooks: tuple[Hook, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    added: tuple[str, ...] = ()

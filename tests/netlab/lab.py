"""The tool box: hosts, routers, links, kernel routes, silence and rate limits, all in namespaces of this process.

Names are `pw<pid>x<n>-<node>`; a new laboratory first removes what dead test processes left behind.
"""

import fcntl
import ipaddress
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

from netlab import kernel

_OURS = re.compile(r"pw(\d+)x\d+-")
_count = itertools.count()

# ECMP by flow. Policy 1 ("layer 4") would trust a hash that the sending socket wrote on the packet and that a veth pair
# does not wipe: two sockets with the same ports would then be two flows. Policy 3 reads the packet.
_BY_FIELDS = "3"
_FLOW_FIELDS = "0x0037"  # source, destination, protocol, both ports

# Defaults of every namespace, so that the kernel answers each probe, at once.
_SETTINGS = {
    "net.ipv4.conf.all.rp_filter": "0",
    "net.ipv4.conf.default.rp_filter": "0",
    "net.ipv4.icmp_ratelimit": "0",
    "net.ipv4.fib_multipath_hash_policy": _BY_FIELDS,
    "net.ipv4.fib_multipath_hash_fields": _FLOW_FIELDS,
    "net.ipv4.conf.all.ignore_routes_with_linkdown": "1",
    "net.ipv4.conf.default.ignore_routes_with_linkdown": "1",
    "net.ipv4.conf.all.send_redirects": "0",
    "net.ipv4.conf.default.send_redirects": "0",
    "net.ipv6.conf.all.accept_dad": "0",  # an address works without the second of duplicate detection
    "net.ipv6.conf.default.accept_dad": "0",
    "net.ipv6.conf.all.accept_ra": "0",
    "net.ipv6.conf.default.accept_ra": "0",
    "net.ipv6.conf.all.keep_addr_on_down": "1",
    "net.ipv6.conf.default.keep_addr_on_down": "1",
    "net.ipv6.conf.all.ignore_routes_with_linkdown": "1",
    "net.ipv6.conf.default.ignore_routes_with_linkdown": "1",
    "net.ipv6.icmp.ratelimit": "0",
    "net.ipv6.fib_multipath_hash_policy": _BY_FIELDS,
    "net.ipv6.fib_multipath_hash_fields": _FLOW_FIELDS,
}
# The kernel's common ceiling for ICMP errors, 1000 a second in bursts of 50, is a namespace's own only in newer kernels
# (6.13 has it, Debian 12's 6.1 does not); a burst of probes meets it before any limit that a test sets.
_SETTINGS_IF_THERE = {"net.ipv4.icmp_msgs_per_sec": "1000000", "net.ipv4.icmp_msgs_burst": "100000"}
# Datagram ICMP sockets for every group. Inside `unshare -Ur` only group 0 exists, and the kernel takes nothing wider.
_PING_GROUPS = ("0 2147483647", "0 0")
_FORWARD = {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "1", "net.ipv6.conf.default.forwarding": "1"}
# Filters exist in each router from the start, so that a rule is one line.
_NFT_TABLE = "add table inet lab; add chain inet lab out { type filter hook output priority 0; }"
_TIME_EXCEEDED = ("icmp type time-exceeded", "icmpv6 type time-exceeded")


class LabError(RuntimeError):
    """A command that builds the laboratory failed; the message names it and what it said."""


class Link(NamedTuple):
    """One cable: the addresses of both ends, without prefix length, and the two nets."""

    a4: str
    b4: str
    a6: str
    b6: str
    net4: str
    net6: str


def _command(argv: Sequence[str], stdin: str | None = None) -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=30)
    if done.returncode:
        raise LabError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}\n{stdin or ''}")
    return done.stdout


def _end(pids: Sequence[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _remove(names: list[str]) -> None:
    """End what still runs in these namespaces, then delete them."""
    _end(kernel.pids_inside(names))
    _command(["ip", "-force", "-batch", "-"], "".join(f"netns del {name}\n" for name in names))


def _remove_leftovers() -> None:
    if not kernel.NETNS.is_dir():
        return
    folder = os.open(kernel.NETNS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # several test processes may begin at once; the last close lets go
        matches = [m for m in (_OURS.match(entry.name) for entry in kernel.NETNS.iterdir()) if m]
        dead = [m.string for m in matches if not Path("/proc", m[1]).exists()]
        if dead:
            _remove(dead)
    finally:
        os.close(folder)


class Lab:
    """A network of namespaces, torn down at the end of the `with` block. Nodes are called by their short names."""

    def __init__(self) -> None:
        missing = [program for program in ("ip", "nft") if not shutil.which(program)]
        if missing:
            raise LabError(f"the network laboratory needs {' and '.join(missing)}: apt-get install iproute2 nftables")
        if os.geteuid() != 0:
            raise LabError("the network laboratory needs root: run the tests as root")
        self._prefix = f"pw{os.getpid()}x{next(_count)}-"
        self._nodes: list[str] = []
        self._links = itertools.count(1)
        self._processes: list[subprocess.Popen[Any]] = []
        self._routes: dict[str, dict[tuple[str, str, str], str]] = {}
        self._rising: set[tuple[str, str]] = set()  # devices set up whose carrier the kernel has not yet noticed

    def __enter__(self) -> Self:
        """Make the nodes, cables and kernel routes that every such network has."""
        _remove_leftovers()
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _build(self) -> None:
        """What a kind of network has from the start: nothing, of one that the test builds itself."""

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            with suppress(ProcessLookupError):
                process.kill()
        for process in self._processes:
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()
        if self._nodes:
            _remove([self.netns(node) for node in self._nodes])
            self._nodes.clear()

    # -- nodes and links

    def netns(self, node: str) -> str:
        """The namespace's full name, as `ip netns exec` takes it."""
        return self._prefix + node

    def host(self, name: str) -> str:
        """Add a node that does not forward; any user may open datagram ICMP sockets there. Returns the name."""
        self.nodes(hosts=[name])
        return name

    def router(self, name: str) -> str:
        """Add a node that forwards IPv4 and IPv6. Returns the name."""
        self.nodes(routers=[name])
        return name

    def nodes(self, *, hosts: Sequence[str] = (), routers: Sequence[str] = ()) -> None:
        """Add many nodes at once, which is quicker than one by one."""
        names = [*hosts, *routers]
        self._nodes += names
        _command(["ip", "-batch", "-"], "".join(f"netns add {self.netns(name)}\n" for name in names))
        for name in names:
            kernel.write_sysctls(self.netns(name), _SETTINGS | (_FORWARD if name in routers else {}))
            for key, value in _SETTINGS_IF_THERE.items():
                with suppress(FileNotFoundError):
                    self.sysctl(name, key, value)
            with kernel.entered(self.netns(name)):
                _command(["ip", "link", "set", "lo", "up"])
                _command(["nft", "-f", "-"], _NFT_TABLE)
        for name in hosts:
            self._allow_ping(name)

    def _allow_ping(self, host: str) -> None:
        for groups in _PING_GROUPS:
            with suppress(OSError):
                return self.sysctl(host, "net.ipv4.ping_group_range", groups)
        raise LabError("the kernel takes no ping_group_range")

    def link(
        self,
        a: str,
        b: str,
        net4: str | None = None,
        net6: str | None = None,
        dev_a: str | None = None,
        dev_b: str | None = None,
    ) -> Link:
        """Lay a cable between two nodes: `a` gets the first address of each net, `b` the second.

        Without names a device is called after the node at its other end; without nets the next free 10.77.N.0/24 and
        fd77:N::/64 are taken.
        """
        number = next(self._links)
        ends4 = ipaddress.IPv4Network(net4 or f"10.77.{number}.0/24")
        ends6 = ipaddress.IPv6Network(net6 or f"fd77:{number:x}::/64")
        dev_a, dev_b = dev_a or b, dev_b or a
        self._ip(f"link add {dev_a} netns {self.netns(a)} type veth peer name {dev_b} netns {self.netns(b)}")
        link = Link(*(str(end) for end in (ends4[1], ends4[2], ends6[1], ends6[2], ends4, ends6)))
        for node, dev, ip4, ip6 in ((a, dev_a, link.a4, link.a6), (b, dev_b, link.b4, link.b6)):
            self.ip(
                node,
                f"address add {ip4}/{ends4.prefixlen} dev {dev}",
                f"address add {ip6}/{ends6.prefixlen} dev {dev} nodad",
                f"link set {dev} up",
            )
        self._rising |= {(a, dev_a), (b, dev_b)}
        return link

    def down(self, node: str, dev: str) -> None:
        """Take a device down; the kernel drops its kernel routes, the node at the other end loses its carrier."""
        self.settle()
        self.ip(node, f"link set {dev} down")

    def up(self, node: str, dev: str) -> None:
        """Bring a device up again and restore the node's kernel routes that `route` made."""
        self.ip(node, f"link set {dev} up")
        self._rising.add((node, dev))
        with kernel.entered(self.netns(node)):  # a route through another device that is down comes back with that one
            restore = "".join(f"{line}\n" for line in self._routes.get(node, {}).values())
            subprocess.run(["ip", "-force", "-batch", "-"], input=restore, capture_output=True, text=True, timeout=30)

    def settle(self) -> None:
        """Wait until every device carries traffic, 30 s at most; whatever runs a program in a node does so first.

        The kernel notices a new carrier up to a second late, and IPv6 waits for it: the link-local address is the sign.
        """
        deadline = time.monotonic() + 30
        while self._rising:
            self._rising -= {(node, dev) for node, dev in self._rising if kernel.has_link_local(self.netns(node), dev)}
            if time.monotonic() > deadline:
                raise LabError(f"no carrier on {sorted(self._rising)}")
            os.sched_yield()

    # -- kernel routes

    def route(
        self,
        node: str,
        prefix: str,
        via: str | None = None,
        *,
        dev: str | None = None,
        table: int | None = None,
        metric: int | None = None,
        src: str | None = None,
        nexthops: Sequence[str] = (),
    ) -> None:
        """Set a kernel route; one with the same prefix, table and metric is replaced. `nexthops` share by flow (ECMP).

        The default route is 0.0.0.0/0 or ::/0, since the word `default` names no address family.
        """
        words = [f"route replace {prefix}"]
        options = (("via", via), ("dev", dev), ("table", table), ("metric", metric), ("src", src))
        words += [f"{name} {value}" for name, value in options if value is not None]
        words += [f"nexthop via {gateway}" for gateway in nexthops]
        line = " ".join(words)
        self.ip(node, line)
        self._routes.setdefault(node, {})[prefix, str(table), str(metric)] = line

    def move_route(self, node: str, prefix: str, via: str | None = None, *, nexthops: Sequence[str] = ()) -> None:
        """Send what goes to `prefix` through other gateways from now on."""
        self.route(node, prefix, via, nexthops=nexthops)

    # -- what routers answer

    def silence(self, router: str) -> None:
        """The router never says time exceeded: its hop stays silent, IPv4 and IPv6."""
        self._filter(router, [f"{match} drop" for match in _TIME_EXCEEDED])

    def rate_limit(self, router: str, per_s: int, burst: int = 1) -> None:
        """The router says time exceeded at most `per_s` times a second, for each address family."""
        limit = f"limit rate over {per_s}/second burst {burst} packets drop"
        self._filter(router, [f"{match} {limit}" for match in _TIME_EXCEEDED])

    def answer(self, router: str) -> None:
        """The router answers every probe again: undoes `silence` and `rate_limit`."""
        self._filter(router, [])

    def _filter(self, router: str, rules: list[str]) -> None:
        self.nft(router, "\n".join(["flush chain inet lab out", *(f"add rule inet lab out {rule}" for rule in rules)]))

    def nft(self, node: str, text: str) -> None:
        """Give nftables commands to a node, all or none."""
        with kernel.entered(self.netns(node)):
            _command(["nft", "-f", "-"], text)

    def count(self, node: str, to: str) -> None:
        """Begin to count the packets to an address or prefix as they arrive at a node: what packet sockets send passes no output hook."""
        arriving = "add chain inet lab arriving { type filter hook prerouting priority 0; }"
        self.nft(node, f"add counter inet lab probes\n{arriving}\nadd rule inet lab arriving ip daddr {to} counter name probes\n")

    def counted(self, node: str) -> int:
        """How many there were since."""
        listed = json.loads(self.exec(node, ["nft", "-j", "list", "counter", "inet", "lab", "probes"]).stdout)
        return next(int(each["counter"]["packets"]) for each in listed["nftables"] if "counter" in each)

    # -- programs and settings

    def ip(self, node: str, *lines: str, family: int | None = None) -> None:
        """Run ip(8) command lines in a node, in one process. A rule that names no address needs `family`."""
        with kernel.entered(self.netns(node)):
            self._ip(*lines, family=family)

    @staticmethod
    def _ip(*lines: str, family: int | None = None) -> None:
        _command(["ip", *([f"-{family}"] if family else []), "-batch", "-"], "".join(f"{line}\n" for line in lines))

    def sysctl(self, node: str, key: str, value: str | int) -> None:
        """Write one kernel setting, with the key as sysctl(8) writes it."""
        kernel.write_sysctls(self.netns(node), {key: str(value)})

    def exec(self, node: str, argv: Sequence[str], **kw: Any) -> subprocess.CompletedProcess[Any]:
        """Run a program in a node and wait: text output captured, 60 s at most; keywords as for subprocess.run."""
        self.settle()
        options = {"capture_output": True, "text": True, "timeout": 60} | kw
        return subprocess.run(["ip", "netns", "exec", self.netns(node), *argv], **options)

    def popen(self, node: str, argv: Sequence[str], **kw: Any) -> subprocess.Popen[Any]:
        """Start a program in a node; it is killed with the laboratory if it still runs. Keywords as for Popen."""
        self.settle()
        process = subprocess.Popen(["ip", "netns", "exec", self.netns(node), *argv], **kw)
        self._processes.append(process)
        return process

    def enter(self, node: str) -> AbstractContextManager[None]:
        """Run the block's Python code in a node: sockets opened and programs started there belong to it.

        Only the calling thread moves. A socket keeps its namespace after the block; threads started before stay outside.
        """
        self.settle()
        return kernel.entered(self.netns(node))

"""Errors, sorted by whose fault they are.

The network's faults are values that are counted (`MalformedPacket`, `ProbeError`); the operator's are one line with a remedy
(`OperatorError`); our own are ordinary exceptions that end the program with a traceback.
"""


class MalformedPacket(ValueError):
    """Bytes from the network that are not what their place says they are."""


class ProbeError(Exception):
    """The network or the kernel does not let a probe leave.

    `reason` is one of `PROBE_ERRORS`; `code` is the reason, and after a colon its detail if there is one: that is what is stored with
    the trace, so that each page can say it in its own language (`explain` says it in English). Never raised upward.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        self.code = f"{reason}: {detail}" if detail else reason
        super().__init__(explain(self.code))


PROBE_ERRORS = {
    "no_route": "no route to the target",
    "no_permission": "the kernel does not permit these probes",
    "device_absent": "the source's device does not exist",
    "device_down": "the source's device is down",
    "address_absent": "the source's address is not on this machine",
    "unknown_host": "the name does not resolve",
    "no_table_rule": "no rule leads to the source's routing table",
    "do_not_probe": "the target is in a network that asked not to be probed",
    "too_long": "the probe is longer than the device takes, in bytes",
    "send_failed": "the kernel refused to send",
}


def explain(code: str) -> str:
    """A stored probe error in words."""
    reason, colon, detail = code.partition(": ")
    return f"{PROBE_ERRORS.get(reason, reason)}{colon}{detail}"


class OperatorError(Exception):
    """Something that the operator can mend: one line with option, value and remedy, no traceback.

    `exit_code` is what the command line ends with: 1 failed, 2 usage or configuration, 3 cannot probe, 4 the daemon is
    unreachable or another one holds this database.
    """

    exit_code = 1

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(f"{problem}; {remedy}" if remedy else problem)


class ConfigError(OperatorError):
    """The configuration or the command line says something that cannot be."""

    exit_code = 2


class CannotProbe(OperatorError):
    """No probing method works here, or the chosen source cannot be used."""

    exit_code = 3


class DaemonError(OperatorError):
    """The daemon is not reachable, or another one holds this database."""

    exit_code = 4

"""All paths to a target (`--mda`): the search, and its graph as JSON and for Graphviz."""

import argparse
import random
from pathlib import Path

from pathwarden.cli.filing import write
from pathwarden.cli.tracing.picture import SILENT
from pathwarden.cli.tracing.probing import Bench, Rules, Running
from pathwarden.engine import flows
from pathwarden.engine.multipath import MultipathSession, MultipathSpec
from pathwarden.errors import ConfigError
from pathwarden.model.multipath import Multipath
from pathwarden.present.hops import median_ms

CONFIDENCE = 95


def search(bench: Bench, running: Running, rules: Rules, confidence: int) -> MultipathSession:
    """Begin to search all paths of a prepared wish. Raises ConfigError if nothing of its flow may vary."""
    flow = running.flow
    if flow is None or not flows.varies(flow):
        raise ConfigError(
            f"--mda: a flow of {running.wish.chosen.method} over IPv{running.wish.af} has nothing that may vary", "choose UDP or ICMP"
        )
    spec = MultipathSpec(
        flow,
        rules.first_ttl,
        rules.max_ttl,
        round(rules.waits.longest_s * 1e9),
        rules.gap_limit,
        rules.window,
        bench.transport.window(flow),
        failure=(100 - confidence) / 100,
    )
    session = MultipathSession(spec, bench.correlator, random.Random())  # noqa: S311 - order, no secret
    bench.run(session, running.binding, lambda _session: None)
    return session


def as_json(running: Running, found: Multipath) -> dict[str, object]:
    """The graph, with addresses None for silence and times in ms."""
    return {
        "target": running.wish.tid,
        "host": running.wish.host,
        "address": running.wish.address,
        "method": found.flow.method.value,
        "kernel_route": None if running.route is None else running.route._asdict(),
        "ending": found.ending.value,
        "reached_ttls": list(found.reached_ttls),
        "vertices": [
            {
                "ttl": each.ttl,
                "address": each.address,
                "flows": each.flow_count,
                "rtt_ms": median_ms(each.rtts_ns),
                "final": each.final,
                "kind": None if each.kind is None else each.kind.value,
            }
            for each in found.vertices
        ],
        "edges": [{"ttl": each.ttl, "near": each.near, "far": each.far, "flows": each.flow_count} for each in found.edges],
        "diamonds": [each._asdict() for each in found.diamonds],
        "complete": found.complete,
        "limits": [limit.value for limit in found.limits],
        "failure_probability": round(found.failure_probability, 6),
        "flows": found.flow_count,
        "probes": found.probes,
    }


def write_dot(args: argparse.Namespace, graphs: list[Multipath]) -> None:
    """Write the graphs to the file of --dot. Raises OperatorError."""
    lines = ["digraph paths {", "  rankdir=LR;"]
    for number, found in enumerate(graphs):
        lines += [f'  "{number}/{each.ttl}/{each.address}" [label="{each.address or SILENT}"];' for each in found.vertices]
        lines += [
            f'  "{number}/{each.ttl}/{each.near}" -> "{number}/{each.ttl + 1}/{each.far}" [label="{each.flow_count}"];'
            for each in found.edges
        ]
    write(Path(args.dot), ["\n".join([*lines, "}", ""])])

"""What was just traced as pictures in files (`--graph`, `--map`)."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from pathwarden.cli import graph
from pathwarden.cli import map as world
from pathwarden.cli.drawing import rendering
from pathwarden.cli.tracing.probing import Running
from pathwarden.config.load import load_here
from pathwarden.daemon.networks import open_networks
from pathwarden.picture import map_svg
from pathwarden.picture.graph import graph as joined
from pathwarden.picture.graph import way_of
from pathwarden.picture.map_places import atlas, course_of


def check(args: argparse.Namespace) -> None:
    """Whether the forms of the files are known, and can be made here. Raises ConfigError, OperatorError."""
    if args.graph:
        graph.check("--graph", Path(args.graph))
    if args.map:
        rendering.check("--map", Path(args.map), world.ENDINGS)


def draw(args: argparse.Namespace, all_running: Sequence[Running]) -> None:
    """Write the pictures that are wanted. Raises OperatorError."""
    traced = [(running.wish.host, running.trace) for running in all_running if running.trace is not None]
    whose = open_networks(load_here(args.config).agent, lookups=False).now
    if args.graph:
        graph.save(Path(args.graph), joined([way_of(*each) for each in traced], whose=whose))
    if args.map:
        rendering.save(Path(args.map), map_svg.svg(atlas([course_of(*each) for each in traced], whose)))

"""Pictures of what was measured: the graph of routes, as SVG and for Graphviz."""

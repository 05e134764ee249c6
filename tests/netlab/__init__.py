"""A laboratory of network namespaces: real kernels as hosts and routers, for the tests that need one.

`Lab` is the tool box, `standard_lab()` the network that most tests want. Needs root (or `unshare -Urnm` with a tmpfs on /run).
"""

from netlab.lab import Lab, LabError
from netlab.standard import StandardLab, standard_lab

__all__ = ["Lab", "LabError", "StandardLab", "standard_lab"]

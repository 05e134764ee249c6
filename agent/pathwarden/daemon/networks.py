"""Opens who knows whose addresses are: nothing is loaded for it where there is neither a database nor leave to ask."""

from importlib import import_module
from pathlib import Path

from pathwarden.model.network import Networks, Nobody
from pathwarden.model.settings import AgentSettings

# Where the packages of distributions, geoipupdate and OpenWrt put them.
PLACES = tuple(map(Path, ("/usr/share/GeoIP", "/usr/local/share/GeoIP", "/var/lib/GeoIP")))
_ENRICHER = "pathwarden.enrich.enricher"


def databases(agent: AgentSettings) -> list[Path]:
    """The files that the owner named, else those beside the history and in the usual places, by name."""
    if agent.mmdb:
        return [Path(name) for name in agent.mmdb]
    return [file for folder in dict.fromkeys((Path(agent.db).parent, *PLACES)) for file in _in(folder)]


def _in(folder: Path) -> list[Path]:
    """The databases in a folder, by name; none in one that is not ours to read, as another user's home."""
    try:
        return sorted(folder.glob("*.mmdb"))
    except PermissionError:
        return []


def open_networks(agent: AgentSettings, *, lookups: bool) -> Networks:
    """Who tells whose addresses are; `lookups`: a name server may be asked, if the owner allows it as well."""
    paths, lookups = databases(agent), lookups and agent.dns_lookups
    if not paths and not lookups:
        return Nobody()
    try:
        networks: Networks = import_module(_ENRICHER).open_enricher(paths, lookups=lookups)
    except ModuleNotFoundError as error:
        if error.name is None or not _ENRICHER.startswith(error.name):
            raise
        return Nobody(*(["agent.mmdb and agent.dns_lookups need the package pathwarden-tools"] if agent.mmdb or lookups else []))
    return networks

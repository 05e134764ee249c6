"""The feed's Makefile as the one place for what a package says of itself: name, version, licence, dependencies, scripts."""

import re
from pathlib import Path
from typing import NamedTuple

_VARIABLE = re.compile(r"^\s*([A-Z_]+):=(.*)$", re.MULTILINE)
_DEFINE = re.compile(r"^define (\S+)\n(.*?)^endef$", re.MULTILINE | re.DOTALL)


class RecipeError(ValueError):
    """The Makefile lacks something that the packages need."""


class Recipe(NamedTuple):
    """What both formats tell about a package; `version` is the program's, without the release. `user` is '' if it needs none of its own."""

    name: str
    version: str
    release: str
    license: str
    maintainer: str
    section: str
    description: str
    depends: tuple[str, ...]
    user: str
    conffiles: tuple[str, ...]
    postinst: str
    prerm: str

    @property
    def full_version(self) -> str:
        """Version and release, in the one form that opkg and apk both take."""
        return f"{self.version}-r{self.release}"


def read(makefile: Path) -> list[Recipe]:
    """The recipes in a feed Makefile, one for each `define Package/NAME`, in their order. Raises `RecipeError` if a part is missing."""
    text = makefile.read_text(encoding="utf-8")
    defines: dict[str, str] = {name: body.replace("$$", "$") for name, body in _DEFINE.findall(text)}
    shared = _variables(_DEFINE.sub("", text))
    names = [name.removeprefix("Package/") for name in defines if name.count("/") == 1 and name.startswith("Package/")]
    if not names:
        raise RecipeError(f"{makefile}: there is no define Package/NAME")
    return [_recipe(makefile, name, shared, defines) for name in names]


def _variables(text: str) -> dict[str, str]:
    return {name: value.strip() for name, value in _VARIABLE.findall(text)}


def _recipe(makefile: Path, name: str, shared: dict[str, str], defines: dict[str, str]) -> Recipe:
    variables = shared | _variables(defines[f"Package/{name}"])

    def variable(key: str) -> str:
        if not variables.get(key):
            raise RecipeError(f"{makefile}: {key} is missing")
        return variables[key]

    def define(part: str) -> str:
        if f"Package/{name}/{part}" not in defines:
            raise RecipeError(f"{makefile}: there is no define Package/{name}/{part}")
        return defines[f"Package/{name}/{part}"]

    return Recipe(
        name=name,
        version=variable("PKG_VERSION"),
        release=variable("PKG_RELEASE"),
        license=variable("PKG_LICENSE"),
        maintainer=variable("PKG_MAINTAINER"),
        section=variable("SECTION"),
        description=" ".join(define("description").split()),
        depends=tuple(word.removeprefix("+") for word in variables.get("DEPENDS", "").split()),
        user=variables.get("USERID", ""),
        conffiles=tuple(defines.get(f"Package/{name}/conffiles", "").split()),
        postinst=define("postinst"),
        prerm=define("prerm"),
    )

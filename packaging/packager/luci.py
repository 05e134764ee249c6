"""What OpenWrt's luci.mk would make of openwrt/luci-app-pathwarden: the application's package, and one for each language."""

import re
from pathlib import Path

from packager import lmo
from packager.build import Package
from packager.recipe import Recipe, RecipeError
from packager.tree import Node

APP = Path("openwrt/luci-app-pathwarden")
# luci.mk's names: of the package and the archive, what LuCI lists, by the folder in po/.
_LANGUAGES = {
    "ja": ("ja", "日本語 (Japanese)"),
    "zh_Hans": ("zh-cn", "简体中文 (Simplified Chinese)"),
    "zh_Hant": ("zh-tw", "繁體中文 (Traditional Chinese)"),
}
_VARIABLE = re.compile(r"^([A-Z_]+):=(.*)$", re.MULTILINE)
_POSTINST = """#!/bin/sh
# LuCI keeps what it read of menus, and rpcd its access lists. In an image that is being made nothing runs.
[ -n "${IPKG_INSTROOT}" ] || {
	rm -f /tmp/luci-indexcache*
	rm -rf /tmp/luci-modulecache
	killall -HUP rpcd 2>/dev/null
}
exit 0
"""
_NOTHING = "#!/bin/sh\nexit 0\n"


def packages(checkout: Path) -> list[Package]:
    """The application and its translations. Raises `RecipeError` if the Makefile lacks something."""
    folder = checkout / APP
    recipe = _recipe(folder / "Makefile")
    installed = {"root": "", "htdocs": "www/"}
    nodes = [
        _node(file, f"{place}{file.relative_to(folder / part)}") for part, place in installed.items() for file in _files(folder / part)
    ]
    return [Package(recipe, sorted(nodes)), *(_translation(recipe, folder, language) for language in _LANGUAGES)]


def _recipe(makefile: Path) -> Recipe:
    said = {name: value.strip() for name, value in _VARIABLE.findall(makefile.read_text(encoding="utf-8"))}
    wanted = ("PKG_NAME", "PKG_VERSION", "PKG_RELEASE", "PKG_LICENSE", "PKG_MAINTAINER", "LUCI_DESCRIPTION", "LUCI_DEPENDS")
    for name in wanted:
        if not said.get(name):
            raise RecipeError(f"{makefile}: {name} is missing")
    name, version, release, license_, maintainer, description, depends = (said[each] for each in wanted)
    return Recipe(
        name=name,
        version=version,
        release=release,
        license=license_,
        maintainer=maintainer,
        section="luci",
        description=description,
        depends=tuple(word.removeprefix("+") for word in depends.split()),
        user="",
        conffiles=(),
        postinst=_POSTINST,
        prerm=_NOTHING,
    )


def _files(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_symlink() or file.is_file()]


def _node(file: Path, path: str) -> Node:
    if file.is_symlink():
        return Node(path, 0o777, None, str(file.readlink()))
    return Node(path, 0o644, file.read_bytes())


def _translation(app: Recipe, folder: Path, language: str) -> Package:
    code, title = _LANGUAGES[language]
    base = app.name.removeprefix("luci-app-")
    name = f"luci-i18n-{base}-{code}"
    archive = lmo.write(lmo.read((folder / f"po/{language}/{base}.po").read_text(encoding="utf-8")))
    defaults = f"#!/bin/sh\nuci set luci.languages.{code.replace('-', '_')}='{title}'\nuci commit luci\nexit 0\n"
    recipe = app._replace(name=name, description=f"Translation of {app.name}: {title}", depends=(app.name,), postinst=_NOTHING)
    files = [
        Node(f"etc/uci-defaults/{name}", 0o755, defaults.encode()),
        Node(f"usr/lib/lua/luci/i18n/{base}.{code}.lmo", 0o644, archive),
    ]
    return Package(recipe, files)

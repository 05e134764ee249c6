"""The scripts that package managers run. What is OpenWrt's own part of them lies in its /lib/functions.sh; ours is in the recipe."""

from packager.recipe import Recipe

_GUARD = '[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0\n. "${IPKG_INSTROOT}/lib/functions.sh"\n'
_NO_SCRIPT = '[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0\n'
_SHELL = "#!/bin/sh\n"


def for_opkg(recipe: Recipe) -> dict[str, str]:
    """The members of control.tar.gz that run; opkg's functions source the -pkg ones."""
    return {
        "postinst": f'{_SHELL}{_NO_SCRIPT}{_GUARD}default_postinst "$0" "$@"\n',
        "postinst-pkg": recipe.postinst,
        # A failure here would keep the package from being removed.
        "prerm": f'{_SHELL}{_GUARD}default_prerm "$0" "$@"\nexit 0\n',
        "prerm-pkg": recipe.prerm,
    }


def for_apk(recipe: Recipe) -> dict[str, str]:
    """Apk's scripts, by its names: it has no file list of opkg's, so each says which package it is of."""
    names = f'export root="${{IPKG_INSTROOT}}"\nexport pkgname="{recipe.name}"\n'
    install = f"{_NO_SCRIPT}{_GUARD}{names}add_group_and_user\ndefault_postinst\n{_body(recipe.postinst)}"
    return {
        "post-install": f"{_SHELL}{install}",
        "post-upgrade": f"{_SHELL}export PKG_UPGRADE=1\n{install}",
        "pre-deinstall": f"{_SHELL}{_GUARD}{names}default_prerm\n{_body(recipe.prerm)}",
    }


def _body(script: str) -> str:
    return script.removeprefix(_SHELL)

"""`python3 -m packager build|stage|luci`: packages and feed, trees for OpenWrt's build system, or what LuCI's part has of the schema."""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from packager import archive, lmo, luci, manifest, page, recipe, usign, vendor
from packager.build import Package, everything
from packager.tar import gzip, tar
from packager.tree import with_folders

CHECKOUT = Path(__file__).resolve().parents[2]
# Outside git nothing else tells a date that is the same for every builder. (2026-01-01)
_FIXED_EPOCH = 1767225600
_KB = 1000


def main(argv: list[str] | None = None) -> int:
    """Run one command line; the exit code is 2 with a line on standard error if something is not as it must be."""
    parser = argparse.ArgumentParser(prog="packager", description=__doc__)
    parser.add_argument("--waitress", type=Path, metavar="DIR", help="folder that holds waitress (default: .venv's site-packages)")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="write ipk, apk and feed")
    build.add_argument("out", type=Path, metavar="DIR")
    build.add_argument("--key", type=Path, metavar="FILE", help="usign secret key to sign the feed with")
    commands.add_parser("stage", help="write the compiled trees, without owners").add_argument("out", type=Path, metavar="DIR")
    commands.add_parser("luci", help="write the settings' schema, their words, and the translators' files anew")
    args = parser.parse_args(argv)
    try:
        {"build": _build, "stage": _stage, "luci": _luci}[args.command](args)
    except (lmo.PoError, recipe.RecipeError, manifest.ManifestError, page.PageError, vendor.VendorError, usign.BadKey, OSError) as error:
        sys.stderr.write(f"packager: {error}\n")
        return 2
    return 0


def _packages(args: argparse.Namespace) -> list[Package]:
    makefile = CHECKOUT / "openwrt/pathwarden/Makefile"
    main, shown, tools = recipe.read(makefile)
    program = (CHECKOUT / "agent/pathwarden/__init__.py").read_text(encoding="utf-8")
    version = re.search(r'^__version__ = "(.+)"$', program, re.MULTILINE)
    if not version or version[1] != main.version:
        raise recipe.RecipeError(f"{makefile}: PKG_VERSION differs from the program's __version__; write the same there")
    waitress = args.waitress or next(CHECKOUT.glob(".venv/lib/python3*/site-packages"), CHECKOUT)
    return [
        Package(main, manifest.files(CHECKOUT, main, waitress)),
        Package(shown, manifest.page(CHECKOUT)),
        Package(tools, manifest.tools(CHECKOUT, tools)),
    ]


def _stage(args: argparse.Namespace) -> None:
    for said, files in _packages(args):
        for node in with_folders(archive.compiled(CHECKOUT, files)):
            place = args.out / said.name / node.path
            if node.content is None:
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.write_bytes(node.content)
            place.chmod(node.mode)


def _luci(_args: argparse.Namespace) -> None:
    from packager import luci_form, luci_texts, page_words

    app = CHECKOUT / luci.APP
    (app / luci_form.PLACE).write_text(luci_form.script(), encoding="utf-8")
    (app / luci_texts.TEMPLATE).write_text(luci_texts.template(app), encoding="utf-8")
    for language in luci_texts.LANGUAGES:
        file = app / luci_texts.PLACE.format(language=language)
        file.write_text(luci_texts.merged(app, language, file.read_text(encoding="utf-8")), encoding="utf-8")
    for language in page_words.LANGUAGES:
        file = CHECKOUT / page_words.PLACE.format(language=language)
        file.write_text(page_words.merged(app, language, file.read_text(encoding="utf-8")), encoding="utf-8")


def _build(args: argparse.Namespace) -> None:
    key = usign.load(args.key) if args.key else None
    packages = [*_packages(args), *luci.packages(CHECKOUT)]
    made = everything(packages, _epoch(), key)
    (args.out / "feed").mkdir(parents=True, exist_ok=True)
    for stale in (args.out / "feed").iterdir():
        stale.unlink()  # a signature of an earlier index would be wrong
    for name, content in made.items():
        (args.out / name).write_bytes(content)
        print(f"{args.out / name}: {len(content) / _KB:.1f} kB")
    for said, files in packages:
        ours = [node for node in files if not manifest.is_foreign(node)]
        print(f"{said.name} without foreign libraries: {len(gzip(tar(with_folders(ours), 0))) / _KB:.1f} kB")
    print(f"the feed is signed by key {key.fingerprint}" if key else "the feed is not signed: KEY=FILE signs it")


def _epoch() -> int:
    """The time that everything in the packages bears: SOURCE_DATE_EPOCH, or that of the newest commit."""
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return int(given)
    command = ["git", "-c", "safe.directory=*", "-C", str(CHECKOUT), "log", "-1", "--format=%ct"]
    try:
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)  # noqa: S603 - git of the builder
    except (OSError, subprocess.CalledProcessError, ValueError):
        return _FIXED_EPOCH


sys.exit(main())

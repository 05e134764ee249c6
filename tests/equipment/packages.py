"""The packages of this checkout, built once for each process that tests them, and the test key that signs the feed."""

import base64
import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import waitress

from packager import ed25519, luci, manifest, recipe, usign, vendor
from packager.build import Package, everything
from packager.recipe import Recipe
from packager.tree import Node

TOP = Path(__file__).resolve().parents[2]
FEED = TOP / "openwrt/pathwarden"
HOME = "usr/lib/pathwarden"  # where the program lies on a router
MTIME = 1700000000
_SEED = bytes(range(32))  # a key for tests: everyone knows it


class Built(NamedTuple):
    """All that was built, by its path below the output folder: the program's package, its page's, that of its tools, and LuCI's."""

    main: Package
    page: Package
    tools: Package
    luci: tuple[Package, ...]
    made: dict[str, bytes]

    @property
    def packages(self) -> tuple[Package, ...]:
        """Every package of the feed's Makefile, in its order."""
        return self.main, self.page, self.tools

    @property
    def recipe(self) -> Recipe:
        """The main package's."""
        return self.main.recipe

    @property
    def files(self) -> list[Node]:
        """The main package's."""
        return self.main.files

    @property
    def ipk(self) -> bytes:
        """The main package for opkg."""
        return self.of(self.recipe, "ipk")

    @property
    def apk(self) -> bytes:
        """The main package for apk."""
        return self.of(self.recipe, "apk")

    def of(self, said: Recipe, kind: str) -> bytes:
        """A package for opkg (ipk) or apk."""
        return self.made[f"{said.name}_{said.full_version}_all.ipk" if kind == "ipk" else f"{said.name}-{said.full_version}.apk"]


@cache
def built() -> Built:
    """The packages, with a signed feed."""
    main, page, tools = recipe.read(FEED / "Makefile")
    files = manifest.files(TOP, main, waitress_folder()), manifest.page(TOP), manifest.tools(TOP, tools)
    packages = [Package(said, contents) for said, contents in zip((main, page, tools), files, strict=True)]
    theirs = luci.packages(TOP)
    return Built(*packages, tuple(theirs), everything([*packages, *theirs], MTIME, feed_key()))


@cache
def bytecode() -> dict[str, bytes]:
    """What a router makes of the main package at its first start, by path: one that has it has nothing to compile."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for node in built().files:
            if node.content and node.path.startswith(f"{HOME}/"):
                file = home / node.path.removeprefix(f"{HOME}/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(node.content)
        subprocess.run([sys.executable, "-I", "-S", "-X", "no_debug_ranges", home / "compile.py"], check=True)
        return {f"{HOME}/bytecode/{path.name}": path.read_bytes() for path in (home / "bytecode").iterdir()}


def is_archive(path: str) -> bool:
    """Whether this is the source of modules in a package."""
    return path.startswith(f"{HOME}/source/")


def modules(files: Iterable[Node]) -> dict[str, bytes]:
    """The source of every module in a package's archives, by its path below the program's folder."""
    found = {}
    for archive in files:
        if is_archive(archive.path) and archive.content:
            with tarfile.open(fileobj=io.BytesIO(archive.content), mode="r:bz2") as members:
                found |= {member.name.removeprefix("./"): content.read() for member in members if (content := members.extractfile(member))}
    return found


@cache
def waitress_folder() -> Path:
    """Where the waitress lies that the package carries: here, or in the environment for work on the project."""
    if version("waitress") == vendor.VERSION:
        return Path(waitress.__file__).parents[1]
    return site_packages(TOP / environment("dev") / "bin/python")


def environment(kind: str) -> str:
    """A virtual environment's folder, made if it is missing."""
    return subprocess.run([TOP / "packaging/dev/venv.sh", kind], cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()


def site_packages(python: str | Path) -> Path:
    """Where an interpreter's libraries lie."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def secret_key(*, kind: bytes = b"EdBK", rounds: int = 0, checksum: bytes | None = None) -> str:
    """A secret key file as usign and signify write it."""
    key = _SEED + ed25519.public_key(_SEED)
    body = kind + rounds.to_bytes(4, "big") + bytes(16) + (checksum or hashlib.sha512(key).digest()[:8]) + b"testtest" + key
    return f"untrusted comment: for tests\n{base64.b64encode(body).decode()}\n"


def feed_key() -> usign.Key:
    """The key that signs feeds in tests."""
    return usign.Key(b"testtest", _SEED, ed25519.public_key(_SEED))


def packager(*words: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """The builder's command line; `options` are of `subprocess.run`."""
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(TOP / "packaging"), "SOURCE_DATE_EPOCH": str(MTIME)}
    command = [sys.executable, "-B", "-m", "packager", "--waitress", waitress_folder(), *words]
    return subprocess.run(command, capture_output=True, text=True, **{"env": env, "cwd": "/"} | options)

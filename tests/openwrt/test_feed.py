"""The feed: its index and signature, RFC 8032's vectors, keys that cannot sign, and the feed's own Makefile run by make."""

import base64
import hashlib
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import pathwarden
from equipment import opkg
from equipment.packages import FEED, built, feed_key, is_archive, packager, secret_key, waitress_folder
from packager import ed25519, usign, vendor

# RFC 8032, section 7.1: TEST 1 to 3 and TEST SHA(abc).
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        b"",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        b"\x72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        b"\xaf\x82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        hashlib.sha512(b"abc").digest(),
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS)
def test_signatures_are_those_of_the_rfc(seed: str, public: str, message: bytes, signature: str) -> None:
    assert ed25519.public_key(bytes.fromhex(seed)).hex() == public
    assert ed25519.sign(bytes.fromhex(seed), message).hex() == signature
    assert ed25519.verify(bytes.fromhex(public), message, bytes.fromhex(signature))


def test_whatever_is_not_signed_so_is_refused() -> None:
    seed, public, message, signature = (bytes.fromhex(v) if isinstance(v, str) else v for v in VECTORS[1])
    assert ed25519.public_key(seed) == public
    for place in (0, 31, 32, 63):
        changed = bytearray(signature)
        changed[place] ^= 1
        assert not ed25519.verify(public, message, bytes(changed)), place
    assert not ed25519.verify(public, message + b"\0", signature)
    assert not ed25519.verify(ed25519.public_key(bytes(32)), message, signature)
    assert not ed25519.verify(public[:31], message, signature)
    assert not ed25519.verify(public, message, signature[:63])
    order = 2**252 + 27742317777372353535851937790883648493
    larger = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not ed25519.verify(public, message, signature[:32] + larger)
    assert not ed25519.verify((2**255 - 1).to_bytes(32, "little"), message, signature)


def test_the_index_repeats_the_control_file_and_says_where_the_package_lies() -> None:
    made = built().made
    index = made["feed/Packages"].decode()
    assert index.endswith("\n\n")
    entries = index.strip().split("\n\n")
    for entry, said in zip(entries, (package.recipe for package in (*built().packages, *built().luci)), strict=True):
        found = opkg.fields(entry)
        place = {key: found.pop(key) for key in ("Filename", "Size", "SHA256sum")}
        package = made[f"feed/{place['Filename']}"]
        assert package == built().of(said, "ipk")
        assert found == opkg.fields(opkg.read(package).control["control"].content.decode())
        assert place["Size"] == str(len(package))
        assert place["SHA256sum"] == hashlib.sha256(package).hexdigest()
    assert opkg.gunzip(made["feed/Packages.gz"]).decode() == index


def test_signify_accepts_the_signature_with_the_key_that_the_feed_offers(tmp_path: Path, need: Callable[[str], str]) -> None:
    for name, content in built().made.items():
        if name.startswith("feed/"):
            (tmp_path / name.removeprefix("feed/")).write_bytes(content)
    key = tmp_path / feed_key().fingerprint
    assert re.fullmatch("[0-9a-f]{16}", key.name), "opkg looks the key up by this name"
    command = [need("signify-openbsd"), "-V", "-q", "-p", key, "-m", tmp_path / "Packages"]
    assert subprocess.run([*command, "-x", tmp_path / "Packages.sig"], capture_output=True, text=True).stderr == ""
    with (tmp_path / "Packages").open("ab") as index:
        index.write(b"\n")
    assert subprocess.run([*command, "-x", tmp_path / "Packages.sig"], capture_output=True).returncode == 1


def test_a_key_that_signify_made_signs(tmp_path: Path, need: Callable[[str], str]) -> None:
    secret, public = tmp_path / "key.sec", tmp_path / "key.pub"
    subprocess.run([need("signify-openbsd"), "-G", "-n", "-p", public, "-s", secret], check=True)
    key = usign.load(secret)
    assert key.public_file("x").splitlines()[1] == public.read_text(encoding="ascii").splitlines()[1]
    signature = base64.b64decode(key.sign(b"text", "x").splitlines()[1])
    assert signature[:10] == b"Ed" + key.id
    assert ed25519.verify(key.public, b"text", signature[10:])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no secret key; usign -G"),
        ("untrusted comment: x\nAAAA\n", "is no secret key; usign -G"),
        (secret_key(kind=b"RWBK"), "is no Ed25519 secret key"),
        (secret_key(rounds=42), "is locked with a passphrase"),
        (secret_key(checksum=bytes(8)), "is damaged"),
    ],
)
def test_a_key_that_cannot_sign_is_refused_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(text, encoding="ascii")
    done = packager("build", "--key", file, tmp_path / "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"packager: {file}: {said}")
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_without_a_key_there_is_no_signature_even_of_an_earlier_build(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(secret_key(), encoding="ascii")
    assert packager("build", "--key", tmp_path / "key", tmp_path / "out").returncode == 0
    assert (tmp_path / "out/feed/Packages.sig").is_file()
    done = packager("build", tmp_path / "out")
    assert "the feed is not signed: KEY=FILE signs it" in done.stdout
    luci = [f"luci-{name}" for name in ("app-pathwarden", "i18n-pathwarden-ja", "i18n-pathwarden-zh-cn", "i18n-pathwarden-zh-tw")]
    packages = [f"{name}_0.1.0-r1_all.ipk" for name in (*luci, "pathwarden-page", "pathwarden-tools", "pathwarden")]
    assert sorted(path.name for path in (tmp_path / "out/feed").iterdir()) == ["Packages", "Packages.gz", *packages]
    assert re.search(r"^pathwarden without foreign libraries: [\d.]+ kB$", done.stdout, re.MULTILINE)


# What OpenWrt's build system brings, as far as our Makefile uses it.
RULES = """
INCLUDE_DIR:=$(TOPDIR)/include
BUILD_DIR:=$(TOPDIR)/build_dir
CP:=cp -fpR
FIND:=find
BuildPackage=$(eval show-$(1): ; @printf '%s\\n' '$(PKG_VERSION)-r$(PKG_RELEASE)' '$(PKG_SOURCE)' '$(PKG_HASH)' '$(PKG_BUILD_DIR)')\
$(eval build-$(1): ; $(Build/Compile))\
$(eval install-$(1): ; $(call Package/$(1)/install,$(TOPDIR)/ipkg-$(1)))
all: show
"""
PYTHON = """
HOST_PYTHON3_BIN:=%s
"""


def test_the_feeds_makefile_installs_the_same_files_with_bytecode_in_place_of_source(tmp_path: Path) -> None:
    python = tmp_path / "feeds/packages/lang/python"
    (tmp_path / "include").mkdir()
    python.mkdir(parents=True)
    (tmp_path / "rules.mk").write_text(RULES, encoding="ascii")
    (tmp_path / "include/package.mk").write_text("PKG_INSTALL_DIR:=$(PKG_BUILD_DIR)/ipkg-install\n", encoding="ascii")
    (python / "python3-package.mk").write_text(PYTHON % sys.executable, encoding="ascii")
    (python / "pypi.mk").write_text("PKG_BUILD_DIR:=$(BUILD_DIR)/pypi/$(PYPI_NAME)-$(PKG_VERSION)\n", encoding="ascii")
    source = tmp_path / "build_dir/pypi/waitress-3.0.2"
    (source / "src/waitress").mkdir(parents=True)
    for node in vendor.load(waitress_folder()):
        name = node.path.rpartition("/")[2]
        (source / name if name == "LICENSE.txt" else source / "src/waitress" / name).write_bytes(node.content or b"")
    make = ["make", "-s", "-C", str(FEED), f"TOPDIR={tmp_path}"]
    shown = subprocess.run([*make, "show-pathwarden"], capture_output=True, text=True, check=True).stdout.split()
    assert shown[:2] == [f"{pathwarden.__version__}-r1", "waitress-3.0.2.tar.gz"]
    assert re.fullmatch("[0-9a-f]{64}", shown[2])
    assert shown[3] == str(source)
    subprocess.run([*make, "build-pathwarden"], check=True)
    for said, files in built().packages:
        root = tmp_path / f"ipkg-{said.name}"
        root.mkdir()
        subprocess.run([*make, f"install-{said.name}"], check=True)
        installed = {str(p.relative_to(root)): p for p in root.rglob("*") if p.is_file()}
        archives = {name: node for node in files if is_archive(node.path) for name in [in_bytecode(node.path)]}
        plain = {node.path: node for node in files if not is_archive(node.path)}
        assert installed.keys() == archives.keys() | plain.keys()
        for path, node in plain.items():
            assert installed[path].read_bytes() == node.content, path
            assert installed[path].stat().st_mode & 0o7777 == node.mode, path
        for path, node in archives.items():
            assert installed[path].read_bytes()[:32] == hashlib.sha256(node.content or b"").digest(), path


def in_bytecode(archive: str) -> str:
    """The file of an archive's bytecode."""
    return re.sub(r"source/(.+)\.tar\.bz2$", rf"bytecode/\1.{sys.implementation.cache_tag}", archive)


@pytest.mark.parametrize("script", ["test.sh", "test-version.sh"])
def test_the_feeds_own_tests_pass_for_this_program_and_fail_for_another_version(script: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin/pathwarden"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m pathwarden "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    text = (FEED / script).read_text(encoding="utf-8")
    text = text.replace("/etc/init.d/pathwarden", str(command))

    def run(*words: str) -> int:
        return subprocess.run(
            ["sh", "-c", text, script, *words], env={"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}, capture_output=True
        ).returncode

    assert run("pathwarden", pathwarden.__version__) == 0
    assert run("pathwarden-tools", pathwarden.__version__) == 0
    assert run("another", "1") == 0
    if script == "test-version.sh":
        assert run("pathwarden", "9.9.9") == run("pathwarden-tools", "9.9.9") == 1

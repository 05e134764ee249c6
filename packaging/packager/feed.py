"""A feed for opkg: the index of packages in a folder, its signature, and the key that routers need."""

import hashlib

from packager.tar import gzip
from packager.usign import Key


def index(control: str, filename: str, package: bytes) -> str:
    """The index entry of a package: its control text with where it lies, how large it is and its checksum before the description."""
    head, description = control.split("Description:", 1)
    place = f"Filename: {filename}\nSize: {len(package)}\nSHA256sum: {hashlib.sha256(package).hexdigest()}\n"
    return f"{head}{place}Description:{description}\n"


def files(packages: str, key: Key | None) -> dict[str, bytes]:
    """The feed's files beside the packages, for the index text; without a key there is no signature."""
    made = {"Packages": packages.encode(), "Packages.gz": gzip(packages.encode())}
    if key:
        # usign signs the text, not what was compressed.
        made["Packages.sig"] = key.sign(made["Packages"], f"signed by key {key.fingerprint}").encode()
        made[key.fingerprint] = key.public_file("Pathwarden feed").encode()
    return made

"""A certificate authority of a test's own, made by openssl."""

import subprocess
from pathlib import Path

_CONFIG = """\
[ca]
default_ca = own
[own]
dir = {folder}
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
"""


class Authority:
    """Signs certificates; `ca_file` is its own. `folder` must exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca_file = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._config = folder / "ca.conf"
        self._config.write_text(_CONFIG.format(folder=folder))
        (folder / "index").touch()
        (folder / "serial").write_text("01\n")
        new = ["-new", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "3650"]
        subject = ["-subj", "/CN=Authority of a test", "-extensions", "authority"]
        self._openssl("req", *new, *subject, "-keyout", str(self._key), "-out", str(self.ca_file))

    def sign(self, name: str, *, valid: tuple[str, str] = ("20200101000000Z", "20991231000000Z"), alt: str = "") -> tuple[Path, Path]:
        """A certificate and its key. `valid`: from and to, as openssl writes instants; `alt`: what it names, such as IP:127.0.0.1."""
        certificate, key, request = (self.folder / f"{name}.{end}" for end in ("pem", "key", "csr"))
        names = ["-addext", f"subjectAltName={alt}"] if alt else []
        new = ["-new", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", f"/CN={name}", *names]
        self._openssl("req", *new, "-keyout", str(key), "-out", str(request))
        dates = ["-startdate", valid[0], "-enddate", valid[1]]
        own = ["-cert", str(self.ca_file), "-keyfile", str(self._key)]
        self._openssl("ca", "-batch", "-notext", *dates, *own, "-in", str(request), "-out", str(certificate))
        key.chmod(0o600)
        return certificate, key

    def _openssl(self, command: str, *arguments: str) -> None:
        done = subprocess.run(["openssl", command, "-config", str(self._config), *arguments], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr

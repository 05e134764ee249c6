"""What the broker's options must have in common, and the files that they and hooks name."""

import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_TLS_FILES = ("ca_file", "cert_file", "key_file")
_PAIR = {"cert_file": "key_file", "key_file": "cert_file"}


def mqtt_problems(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each option that is wrong, and what is wrong with it. An option that is missing in `values` has been complained about already."""
    if file := values.get("password_file"):
        yield from _named("password_file", _secret_problem(Path(file), "the password"))
        if values.get("username") == "":
            # MQTT 3.1.1 forbids a password without a user name [MQTT-3.1.2-22].
            yield "password_file", "is set without username; set username too"
    for option in _TLS_FILES:
        if file := values.get(option):
            yield from _tls_file(option, Path(file), values)


def program_problems(program: Path) -> Iterator[str]:
    """Why a hook cannot run this program, or must not."""
    try:
        mode = program.stat().st_mode
    except OSError as error:
        yield f"{program} cannot be run ({error.strerror}); name a program that is there"
        return
    if not stat.S_ISREG(mode) or not mode & 0o111:
        yield f"{program} is not executable; chmod +x {program}"
    elif mode & stat.S_IWOTH:
        yield f"{program} is writable by everyone; chmod o-w {program}"


def _tls_file(option: str, file: Path, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if values.get("tls") is False:
        yield option, "is set without tls; set tls to 1"
    if (other := _PAIR.get(option)) and values.get(other) == "":
        yield option, f"is set without {other}; set {other} too"
    problem = _secret_problem(file, "the key") if option == "key_file" else _file_problem(file, "the certificate")
    yield from _named(option, problem)


def _named(option: str, problem: str) -> Iterator[tuple[str, str]]:
    if problem:
        yield option, problem


def _secret_problem(file: Path, what: str) -> str:
    """Why a file can hold no secret; '' if it can."""
    problem = _file_problem(file, what)
    if problem:
        return problem
    return f"{file} is readable by everyone; chmod 600 {file}" if file.stat().st_mode & stat.S_IROTH else ""


def _file_problem(file: Path, what: str) -> str:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        mend = f", then chmod 600 {file}" if what != "the certificate" else ""
        return f"{file} cannot be read ({error.strerror}); write {what} there{mend}"
    return "" if stat.S_ISREG(mode) else f"{file} is not a file; name the file that holds {what}"

"""Trust for TLS connections: the system's certificate authorities and those of ``CA_BUNDLE``."""

import re
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REFUSED = re.compile(r"\[SSL: CERTIFICATE_VERIFY_FAILED\] (.+?)\.? \(_ssl")
"""OpenSSL's reason in the text of an error, which a driver may have wrapped and listed for each server."""


def client_context(ca_bundle: str | None) -> ssl.SSLContext:
    """A client's context that trusts the system's authorities and those of a PEM file.

    Raises OSError if the file cannot be read, and its subclass ssl.SSLError if it holds no certificate.
    """
    context = ssl.create_default_context()
    if ca_bundle:
        context.load_verify_locations(cafile=ca_bundle)
    return context


@contextmanager
def ca_file(ca_bundle: str) -> Iterator[str]:
    """The same authorities in one temporary file, for libraries that take a path instead of a context."""
    with tempfile.NamedTemporaryFile("w", prefix="authorities-", suffix=".pem") as file:
        for path in (*system_ca_files(), Path(ca_bundle)):
            file.write(path.read_text(encoding="utf-8", errors="replace").rstrip() + "\n")
        file.flush()
        yield file.name


def system_ca_files() -> list[Path]:
    """The PEM files in which OpenSSL looks for the system's authorities."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile:
        return [Path(paths.cafile)]
    return sorted(Path(paths.capath).glob("*.[0-9]")) if paths.capath else []


def refused_certificate(error: BaseException) -> str | None:
    """Why a server's certificate is not trusted; None for any other error."""
    found = REFUSED.search(str(error))
    return found[1] if found else None

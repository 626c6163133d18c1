"""HTTP requests to processes on this machine."""

import urllib.error
import urllib.request

direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # loopback requests ignore proxy settings


def read(url: str, timeout_s: float = 1.0) -> bytes | None:
    """The body of a GET; None without a good response in time."""
    try:
        with direct.open(url, timeout=timeout_s) as response:
            return bytes(response.read())
    except (OSError, ValueError):
        return None


def status(url: str) -> int | None:
    """The status of a GET; None without a response within a second."""
    try:
        with direct.open(url, timeout=1) as response:
            response.read()
            return int(response.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, ValueError):
        return None

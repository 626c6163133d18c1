"""`python -m stories_shared.runtime.healthcheck /readyz`: exit status 0 if the local service answers 200, else 1.

For a container's health check: the image has no other HTTP client. It imports only the standard library, since it runs
every few seconds.
"""

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 3.0


def probe(path: str, port: int) -> int | None:
    """The HTTP status of the process on this port of localhost; None without an answer within three seconds."""
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"http://127.0.0.1:{port}{path}", timeout=TIMEOUT_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    sys.exit(0 if probe(sys.argv[1], int(os.environ.get("PORT") or 8000)) == 200 else 1)

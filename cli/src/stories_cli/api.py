"""`stories api`: any call of the public interface, as a user."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from . import target
from .clients import get_setting
from .console import FAILED, USAGE, AsJson, abort, exit_on, print_json, stdout
from .target import DEFAULT_DATA, Data
from .tokens import SigningKey, issuer_of

TIMEOUT_S = 40.0  # longer than the longest `?wait=`

AsUser = Annotated[str, typer.Option("--as", metavar="USER", help="Act as this user, with a fresh token.")]
Admin = Annotated[bool, typer.Option("--admin", help="Give the user the role `admin`.")]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="STORIES_URL",
        metavar="URL",
        help="Gateway; by default that of the running stack or PUBLIC_URL.",
    ),
]


def api(
    method: Annotated[str, typer.Argument(metavar="METHOD", help="HTTP method, such as GET.")],
    path: Annotated[str, typer.Argument(metavar="PATH", help="Path with its query, such as /v1/tray?limit=5.")],
    body: Annotated[str | None, typer.Argument(metavar="JSON", help="Request body.")] = None,
    *,
    user: AsUser,
    admin: Admin = False,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="NAME:VALUE", help="Further request header; repeatable."),
    ] = None,
    url: Url = None,
    signing_key: SigningKey = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Call the public interface and print the response. Exits with 1 unless the status is 2xx.

    With --json, prints one object with `status`, `headers` and `body`.
    """
    if not path.startswith("/"):
        abort(f"PATH: must begin with a slash, not {path!r}", USAGE)
    try:
        document = json.loads(body) if body is not None else None
    except ValueError as error:
        abort(f"JSON: {error}", USAGE)
    headers = dict(_header(each) for each in header or [])
    with exit_on(httpx.HTTPError, httpx.InvalidURL), client(data, user, url, signing_key, admin=admin) as http:
        response = http.request(method.upper(), path, headers=headers, json=document)
    if as_json:
        print_json({"status": response.status_code, "headers": dict(response.headers), "body": content_of(response)})
    else:
        stdout.print(f"{response.http_version} {response.status_code} {response.reason_phrase}", style="dim")
        if response.content:
            found = content_of(response)
            print(found) if isinstance(found, str) else print_json(found)
    if not response.is_success:
        raise typer.Exit(FAILED)


def client(data: Path, user: str, url: str | None, signing_key: Path | None, *, admin: bool = False) -> httpx.Client:
    """A client of the gateway with a user's token. Ends the command if there is no gateway or no signing key."""
    stack = target.running(data)
    base = url or (stack.url if stack else get_setting(target.settings(data), "PUBLIC_URL"))
    if not base:
        abort("no stack runs in --data; name the gateway by --url, STORIES_URL or PUBLIC_URL")
    token = issuer_of(signing_key, data).token(user, roles=["admin"] if admin else [])
    return httpx.Client(
        base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT_S, trust_env=url is not None
    )


def content_of(response: httpx.Response) -> Any:
    """The body: decoded if it is JSON, else as text."""
    if not response.content:
        return None
    kind = response.headers.get("content-type", "").partition(";")[0]
    return response.json() if kind == "application/json" or kind.endswith("+json") else response.text


def problem_of(response: httpx.Response) -> str:
    """One line with the reason of a failed call."""
    found = content_of(response)
    if not isinstance(found, Mapping):
        return f"HTTP {response.status_code}"
    return ": ".join(str(found[name]) for name in ("title", "detail", "reason") if found.get(name))


def _header(text: str) -> tuple[str, str]:
    name, is_header, value = text.partition(":")
    if not is_header or not name.strip():
        abort(f"--header: NAME:VALUE, not {text!r}", USAGE)
    return name.strip(), value.strip()

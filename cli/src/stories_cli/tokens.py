"""The command `token`: for users of a stack that has no issuer of its own."""

from pathlib import Path
from typing import Annotated

import typer
from stories_shared import issuing
from stories_shared.issuing import Issuer

from . import target
from .clients import require_setting
from .console import abort
from .target import DEFAULT_DATA, Data


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command()(token)


def token(
    users: Annotated[list[str], typer.Argument(metavar="USER…")],
    admin: Annotated[bool, typer.Option("--admin", help="With the role `admin`.")] = False,
    country: Annotated[str | None, typer.Option("--country", metavar="CC", help="ISO 3166-1 alpha-2.")] = None,
    signing_key: Annotated[
        Path | None,
        typer.Option(
            "--signing-key",
            metavar="FILE",
            envvar="SIGNING_KEY_FILE",
            help="Of `make secrets`, where the stack runs in containers.",
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
) -> None:
    """A bearer token for each user, one a line; good only on the stack that made the key, for a day."""
    issuer = _of_key(signing_key, data) if signing_key else _of_stack(data)
    for user in users:
        print(issuer.token(user, roles=["admin"] if admin else [], country=country))


def _of_stack(data: Path) -> Issuer:
    folder = target.folder(data)
    from stories_embedded.keys import StackKeys

    keys = StackKeys(folder.keys)
    if not keys.made():
        abort(f"no stack has made a key in {data}: run `stories up`")
    stack = target.running(data)
    settings = {**keys.settings(), **(stack.settings if stack else {})}
    if Path(settings["AUTH_JWKS"]).resolve() != keys.jwks.resolve():
        abort(f"this stack takes its tokens from elsewhere: {settings['AUTH_JWKS']}")
    claim = settings.get("AUTH_USER_CLAIM", "sub")
    return keys.issuer(settings["AUTH_ISSUER"], settings["AUTH_AUDIENCE"], claim)


def _of_key(file: Path, data: Path) -> Issuer:
    settings = target.settings(data)
    jwks = require_setting(settings, "AUTH_JWKS")
    try:
        key = issuing.read_key(file.read_bytes())
        key_id = issuing.key_id(key, Path(jwks).read_bytes())
    except OSError as error:
        abort(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        abort(f"{file}: {error}")
    claim = settings.get("AUTH_USER_CLAIM") or "sub"
    return Issuer(
        key, key_id, require_setting(settings, "AUTH_ISSUER"), require_setting(settings, "AUTH_AUDIENCE"), claim
    )

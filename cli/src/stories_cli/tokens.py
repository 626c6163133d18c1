"""`stories token`: bearer tokens for users of a stack without its own issuer."""

from pathlib import Path
from typing import Annotated

import typer
from stories_shared.auth import dev_tokens
from stories_shared.auth.dev_tokens import TokenIssuer

from . import target
from .clients import require_setting
from .console import AsJson, abort, print_json
from .target import DEFAULT_DATA, Data

SigningKey = Annotated[
    Path | None,
    typer.Option(
        "--signing-key",
        metavar="FILE",
        envvar="SIGNING_KEY_FILE",
        help="Private key of `make secrets`, for a stack in containers; by default the embedded stack's own.",
    ),
]


def token(
    users: Annotated[list[str], typer.Argument(metavar="USER", help="Ids of users; they need not exist.")],
    admin: Annotated[bool, typer.Option("--admin", help="Add the role `admin`.")] = False,
    country: Annotated[
        str | None,
        typer.Option(
            "--country",
            metavar="CC",
            help="Add a `country` claim (ISO 3166-1 alpha-2). A rollout policy may decide by it.",
        ),
    ] = None,
    signing_key: SigningKey = None,
    data: Data = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Print a bearer token for each user, one per line. It is valid for a day, only on the stack that made the key."""
    issuer = issuer_of(signing_key, data)
    made = {user: issuer.token(user, roles=["admin"] if admin else [], country=country) for user in users}
    if as_json:
        print_json([{"user": user, "token": text} for user, text in made.items()])
        return
    for text in made.values():
        print(text)


def issuer_of(signing_key: Path | None, data: Path) -> TokenIssuer:
    """The issuer whose tokens the installation accepts. Ends the command if there is no key."""
    return _of_key(signing_key, data) if signing_key else _of_stack(data)


def _of_stack(data: Path) -> TokenIssuer:
    folder = target.folder(data)
    from stories_embedded.keys import StackKeys

    keys = StackKeys(folder.keys)
    if not keys.made():
        abort(f"no stack has made a key in {data}: run `stories up`")
    stack = target.running(data)
    settings = {**keys.settings(), **(stack.settings if stack else {})}
    if Path(settings["AUTH_JWKS"]).resolve() != keys.jwks.resolve():
        abort(f"this stack takes its tokens from elsewhere: {settings['AUTH_JWKS']}")
    return keys.issuer(settings)


def _of_key(file: Path, data: Path) -> TokenIssuer:
    settings = target.settings(data)
    jwks = require_setting(settings, "AUTH_JWKS")
    try:
        key = dev_tokens.read_key(file.read_bytes())
        key_id = dev_tokens.key_id(key, Path(jwks).read_bytes())
    except OSError as error:
        abort(f"{error.filename}: {error.strerror}")
    except ValueError as error:
        abort(f"{file}: {error}")
    claim = settings.get("AUTH_USER_CLAIM") or "sub"
    issuer, audience = (require_setting(settings, name) for name in ("AUTH_ISSUER", "AUTH_AUDIENCE"))
    return TokenIssuer(key, key_id, issuer, audience, claim)

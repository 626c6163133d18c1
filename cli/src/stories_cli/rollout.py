"""`stories rollout`: the policy in force, and what it allows a user."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer
import yaml
from stories_shared.rollout import Policy
from stories_shared.rollout.file import PolicyError, read

from . import target
from .console import AsJson, abort, print_json
from .target import DEFAULT_DATA, Data, EnvFile

group = typer.Typer(no_args_is_help=True, help="Read the rollout policy.")


@group.command()
def show(data: Data = DEFAULT_DATA, env_file: EnvFile = None, as_json: AsJson = False) -> None:
    """Print the policy of ROLLOUT_FILE; without one everyone may create and view."""
    policy = msgspec.to_builtins(policy_of(data, env_file))
    if as_json:
        print_json(policy)
    else:
        print(yaml.safe_dump(policy, sort_keys=False, allow_unicode=True).rstrip())


@group.command()
def check(
    user: Annotated[str, typer.Argument(metavar="USER", help="Id of a user.")],
    country: Annotated[str | None, typer.Option("--country", metavar="CC", help="The token's country.")] = None,
    data: Data = DEFAULT_DATA,
    env_file: EnvFile = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the policy lets a user create and view stories, and why not.

    Whether creating is paused is not part of it.
    """
    policy = policy_of(data, env_file)
    create, view = policy.may_create(user, country), policy.may_view(user, country)
    if as_json:
        creating = {"create": create is None, "create_reason": create}
        print_json({"user": user, "country": country, **creating, "view": view is None, "view_reason": view})
    else:
        print(f"create: {create or 'yes'}\nview: {view or 'yes'}")


def policy_of(data: Path, env_file: Path | None) -> Policy:
    """The policy of an installation."""
    settings = target.settings(data, env_file)
    stack = target.running(data) if env_file is None else None
    path = (stack.services["ingest"] if stack else settings).get("ROLLOUT_FILE")
    try:
        return read(Path(path)) if path else Policy()
    except PolicyError as error:
        abort(f"ROLLOUT_FILE: {error}")

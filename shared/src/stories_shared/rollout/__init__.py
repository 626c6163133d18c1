"""The rollout policy: who may create and who may view. `file` reads it."""

import hashlib
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from stories_shared.events import UserId

Reason = Literal["country", "percentage", "denied", "paused"]
Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z", description="ISO 3166-1 alpha-2")]


class Switch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use a function: `deny` before `allow` before `countries` and `percentage`, which both have to hold."""

    countries: Annotated[frozenset[Country], Meta(min_length=1)] | None = None
    percentage: Annotated[float, Meta(ge=0, le=100, description="of all users; a higher one only adds users")] = 100
    allow: frozenset[UserId] = frozenset()
    deny: frozenset[UserId] = frozenset()


class Pause(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When `create` switches itself off, until the cause has been away for `for_s` seconds."""

    publish_failures: (
        Annotated[float, Meta(gt=0, le=1, description="share of media jobs that failed within `for_s`")] | None
    ) = None
    expiry_lateness_s: Annotated[float, Meta(gt=0, description="how late a story's end may be handled")] | None = None
    for_s: Annotated[int, Meta(ge=1, le=3_600)] = 120


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rollout policy. An absent switch is on for everyone. Another `salt` selects other users for `percentage`."""

    create: Switch = Switch()
    view: Switch = Switch()
    pause: Pause = Pause()
    salt: Annotated[str, Meta(min_length=1, max_length=100)] = "stories"

    def may_create(self, user_id: str, country: str | None) -> Reason | None:
        """Why this user may not create stories; None if they may."""
        return reason_against(self.create, self.salt, user_id, country)

    def may_view(self, user_id: str, country: str | None) -> Reason | None:
        """Why this user may not view stories; None if they may."""
        return reason_against(self.view, self.salt, user_id, country)


def reason_against(switch: Switch, salt: str, user_id: str, country: str | None) -> Reason | None:
    """Why a switch is off for a user; None if it is on."""
    if user_id in switch.deny:
        return "denied"
    if user_id in switch.allow:
        return None
    if switch.countries is not None and (country is None or country.upper() not in switch.countries):
        return "country"
    everyone = switch.percentage == 100
    return None if everyone or position_of(salt, user_id) < switch.percentage else "percentage"


def position_of(salt: str, user_id: str) -> float:
    """A user's place between 0 and 100, from SHA-256: the user is in every percentage above it."""
    digest = hashlib.sha256(f"{salt}:{user_id}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48 * 100


def schema() -> dict[str, Any]:
    """The JSON Schema of the file."""
    return msgspec.json.schema(Policy)

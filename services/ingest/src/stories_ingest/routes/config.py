"""The public configuration."""

from fastapi import APIRouter
from pydantic import BaseModel
from stories_shared.http.bodies import StrictRoute


class ConfigResponse(BaseModel):
    """The bounds and vocabularies of this installation."""

    lifetimes: list[str]
    max_clip_ms: int
    max_parts: int
    max_upload_bytes: int
    content_types: list[str]
    audiences: list[str]
    comments: list[str]
    layer_kinds: list[str]
    limits: dict[str, int]


def config_route(config: ConfigResponse) -> APIRouter:
    """The route that needs no token."""
    router = APIRouter(route_class=StrictRoute, tags=["About"])

    @router.get("/v1/config")
    async def read_config() -> ConfigResponse:
        """Bounds, vocabularies and limits."""
        return config

    return router

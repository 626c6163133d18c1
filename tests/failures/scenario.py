"""The state before a server fails: an author with stories and drafts, a follower with tickets."""

import secrets
from dataclasses import dataclass, field
from typing import Any

from stories_ingest.testing.harness import photo
from stories_shared.testing import eventually

from .fleet import Fleet

PHOTO = photo()


@dataclass
class Scenario:
    """Ann's stories as bob sees them; ids by their use in the tests."""

    fleet: Fleet
    ann: str = field(default_factory=lambda: f"ann-{secrets.token_hex(4)}")
    bob: str = field(default_factory=lambda: f"bob-{secrets.token_hex(4)}")
    ids: dict[str, str] = field(default_factory=dict)
    tickets: dict[str, str] = field(default_factory=dict)

    async def begin(self) -> None:
        """Post, follow, view, comment and react, and wait until every service has the result."""
        await self.fleet.done("feed", "PUT", f"/v1/following/{self.ann}", self.bob)
        for name in ("read", "doomed", "narrowed"):
            self.ids[name] = await self.draft()
            await self.fleet.done("ingest", "POST", f"/v1/stories/{self.ids[name]}/publish?wait=20", self.ann)
        for name in ("unsent", "draft", "cancelled"):
            self.ids[name] = await self.draft()
        self.tickets = await eventually(self._tickets, within_s=30)
        path = f"/v1/stories/{self.ids['read']}"
        await self.fleet.done("engagement", "GET", f"{path}/counts", self.ann)
        ticket = self.tickets["read"]
        created = await self.fleet.done(
            "engagement", "POST", f"{path}/comments", self.bob, ticket=ticket, json={"text": "first"}
        )
        self.ids["comment"] = created.json()["id"]
        liked = {"emoji": "❤️"}
        await self.fleet.done("engagement", "PUT", f"{path}/reaction", self.bob, ticket=ticket, json=liked)

    async def delete_doomed(self) -> None:
        """Delete a story, and wait until every store has erased it."""
        await self.fleet.done("ingest", "DELETE", f"/v1/stories/{self.ids['doomed']}", self.ann)

        async def complete() -> bool:
            path = f"/v1/stories/{self.ids['doomed']}/receipt"
            receipt = (await self.fleet.done("expiry", "GET", path, self.ann)).json()
            assert receipt["complete"], receipt
            return True

        await eventually(complete, within_s=60, every_s=0.2)

    async def draft(self) -> str:
        """An uploaded draft."""
        fields = {"media": {"content_type": "image/jpeg", "size": len(PHOTO)}}
        made = (await self.fleet.done("ingest", "POST", "/v1/stories", self.ann, json=fields)).json()
        form = made["upload"]
        sent = await self.fleet.http.request(
            form["method"], form["url"], data=form["fields"], files={"file": ("f", PHOTO)}
        )
        assert sent.is_success, sent.text
        return str(made["id"])

    async def _tickets(self) -> dict[str, str]:
        reel = await self.fleet.call("feed", "GET", f"/v1/users/{self.ann}/stories", self.bob)
        found: list[dict[str, Any]] = reel.json().get("items", [])
        by_id = {item["id"]: item["ticket"] for item in found}
        names = [name for name in ("read", "doomed", "narrowed") if self.ids[name] in by_id]
        assert len(names) == 3, reel.text
        return {name: by_id[self.ids[name]] for name in names}

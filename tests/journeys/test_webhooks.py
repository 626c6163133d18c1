"""The platform's webhooks: signed, tried again after a failure, and isolated from an endpoint that does not answer."""

from standardwebhooks import Webhook as Verifier
from stories_engagement.testing.receiver import receiving
from stories_shared.testing import eventually

from .installation import Installation
from .people import Answer, Person

DELIVERED, RETRIED = 15.0, 30.0
EVENTS = ["story-posted", "story-deleted"]


async def register(admin: Person, url: str) -> Answer:
    """A new endpoint, with its secret."""
    body = {"url": url, "events": EVENTS, "secret": None}
    return (await admin.done("POST", "/v1/admin/webhooks", json=body)).json()


async def test_endpoint_gets_every_event_while_others_fail_or_hang(installation: Installation) -> None:
    admin, ann = installation.admin(), installation.person("ann")
    async with receiving() as receiver, receiving("hang") as hanging, receiving("fail") as failing:
        endpoints = [await register(admin, each.url) for each in (receiver, hanging, failing)]
        story = await ann.post(caption="not for webhooks")
        await eventually(lambda: len(receiver.of(story["id"])) == 1, DELIVERED)
        await eventually(lambda: failing.of(story["id"]), DELIVERED)
        failing.manner = "accept"
        await ann.delete(story)
        await eventually(lambda: len(receiver.of(story["id"])) == 2, DELIVERED)
        verifier = Verifier(endpoints[0]["secret"])
        events = [verifier.verify(request.body, request.headers) for request in receiver.of(story["id"])]
        assert [event["type"] for event in events] == ["stories.story-posted.v1", "stories.story-deleted.v1"]
        assert "not for webhooks" not in str(events)
        await eventually(lambda: len(failing.of(story["id"])) >= 3, RETRIED)
        retried = [Verifier(endpoints[2]["secret"]).verify(each.body, each.headers) for each in failing.of(story["id"])]
        assert [event["type"] for event in retried[-2:]] == [event["type"] for event in events]
        assert len({request.headers["webhook-id"] for request in failing.of(story["id"])}) == 2
        deliveries = await admin.pages(f"/v1/admin/webhooks/{endpoints[1]['id']}/deliveries")
        assert {each["state"] for each in deliveries} == {"pending"}
        for endpoint in endpoints:
            await admin.done("DELETE", f"/v1/admin/webhooks/{endpoint['id']}")

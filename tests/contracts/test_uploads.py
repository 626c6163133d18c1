"""An upload form allows only the upload that it was made for."""

import re
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest
from stories_shared.events.ids import new_id
from stories_shared.testing import eventually

from ..journeys.installation import Installation
from ..journeys.people import Answer, Person
from ..journeys.samples import Sample
from ..journeys.waiting import SOON

Fields = dict[str, Any]
Change = Callable[[Fields], Fields]


def other_key(key: str) -> Change:
    return lambda fields: fields | {"key": key.replace("ITSELF", fields["key"])}


KEYS = [
    *("stories/x/media.mp4", "staging/", "", "/", ".", "ITSELF/", "ITSELF/x", "ITSELF%00", "ITSELF ", " ITSELF"),
    *("/ITSELF", "./ITSELF", "ITSELF/../other", "staging/../stories/x/media.mp4", "staging/..%2fstories/x"),
    *("ITSELF/../../stories/x", "${filename}", "staging/${filename}", "ITSELF\\..\\other", "//ITSELF", "ITSELF?acl"),
]
CHANGES: dict[str, Change] = {
    **{f"key {key!r}": other_key(key) for key in KEYS},
    "two keys, the other first": lambda fields: fields | {"key": ["stories/x/media.mp4", fields["key"]]},
    "no key": lambda fields: {name: value for name, value in fields.items() if name != "key"},
    "no policy": lambda fields: {name: value for name, value in fields.items() if name != "policy"},
    "no signature": lambda fields: {name: value for name, value in fields.items() if "signature" not in name},
    "another signature": lambda fields: fields | {name: "0" * 64 for name in fields if "signature" in name},
    "another day": lambda fields: fields | {name: "20200101T000000Z" for name in fields if name.endswith("-date")},
    "another type": lambda fields: fields | {"Content-Type": "text/html"},
    "no type": lambda fields: {name: value for name, value in fields.items() if name != "Content-Type"},
}
IGNORED: dict[str, Change] = {
    "a second key": lambda fields: fields | {"key": [fields["key"], "stories/x/media.mp4"]},
    "another bucket": lambda fields: fields | {"bucket": "another"},
    "another place afterwards": lambda fields: fields | {"success_action_redirect": "https://evil.example/"},
    "for everybody": lambda fields: fields | {"acl": "public-read"},
    "a tag": lambda fields: fields | {"tagging": "<Tagging><TagSet/></Tagging>"},
}
"""Additional form fields that a store may ignore if they have no effect."""
SIZES: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda content: b"",
    "a byte less": lambda content: content[:-1],
    "a byte more": lambda content: content + b"x",
    "ten times as much": lambda content: content * 10,
}


@pytest.fixture
async def draft(installation: Installation) -> tuple[Person, Answer]:
    ann = installation.person("ann")
    return ann, (await ann.create()).json()


Draft = tuple[Person, Answer]


async def nothing_was_uploaded(ann: Person, draft: Answer) -> bool:
    published = await ann.publish(draft["id"], wait=0)
    return (published.status_code, published.json()["type"]) == (409, "urn:stories:wrong-state")


async def test_modified_upload_form_is_rejected(installation: Installation, draft: Draft) -> None:
    ann, made = draft
    stores = await installation.stores()
    before, statuses = set(await stores.objects("")), {}
    for what, change in CHANGES.items():
        file = {"file": ("media", ann.usual.content, ann.usual.content_type)}
        answer = await installation.http.post(made["upload"]["url"], data=change(made["upload"]["fields"]), files=file)
        statuses[what] = answer.status_code
    for what, change_of in SIZES.items():
        answer = await ann.upload(made["upload"], Sample(change_of(ann.usual.content), ann.usual.content_type))
        statuses[what] = answer.status_code
    assert {what: status for what, status in statuses.items() if status not in range(400, 500)} == {}
    assert set(await stores.objects("")) - before == set()
    assert await nothing_was_uploaded(ann, made)
    own = made["upload"]["fields"]["key"]
    for change in IGNORED.values():
        file = {"file": ("media", ann.usual.content, ann.usual.content_type)}
        answer = await installation.http.post(made["upload"]["url"], data=change(made["upload"]["fields"]), files=file)
        assert answer.status_code in {204, 303} or answer.status_code in range(400, 500), answer.text
        assert set(await stores.objects("")) - before <= {own}
        assert (await installation.http.get(f"{made['upload']['url']}/{own}")).status_code == 403


async def test_upload_is_published_only_by_its_author_and_in_its_story(installation: Installation) -> None:
    ann, eve = installation.people("ann", "eve")
    anns, eves = await ann.draft(), (await eve.create()).json()
    into_anns = {**eves["upload"], "fields": eves["upload"]["fields"] | {"key": anns["upload"]["fields"]["key"]}}
    assert not (await eve.upload(into_anns, eve.usual)).is_success
    for path in ("publish", "upload", "cancel"):
        assert (await eve.call("POST", f"/v1/stories/{anns['id']}/{path}")).status_code == 404
    assert await nothing_was_uploaded(eve, eves)
    assert (await ann.publish(anns["id"])).status_code == 200


async def test_upload_after_publishing_changes_nothing_visible(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    draft = await ann.draft()
    live = (await ann.publish(draft["id"])).json()
    item = await eventually(lambda: bob.item(live), SOON)
    before = (await bob.media(item["media_url"])).content
    for _ in range(3):
        await ann.upload(draft["upload"], Sample(bytes(len(ann.usual.content)), ann.usual.content_type))
        again = await bob.item(live)
        assert (await bob.media(again["media_url"])).content == before
        assert (again["size"], again["width"]) == (item["size"], item["width"])
    assert (await ann.call("POST", f"/v1/stories/{draft['id']}/upload")).status_code == 409


async def test_upload_after_deletion_restores_nothing(installation: Installation) -> None:
    ann, bob = installation.people("ann", "bob")
    drafted, live = await ann.draft(), await ann.draft()
    await ann.publish(live["id"])
    for each in (drafted, live):
        await ann.delete(each)
        await ann.upload(each["upload"], ann.usual)
        assert (await ann.publish(each["id"])).status_code == 404
        assert (await ann.call("POST", f"/v1/stories/{each['id']}/upload")).status_code == 404
        assert (await ann.call("POST", f"/v1/stories/{each['id']}/cancel")).status_code in {204, 404}
        assert (await ann.call("GET", f"/v1/me/stories/{each['id']}")).status_code == 404
    assert await bob.reel(ann) == []


async def test_bucket_rejects_unsigned_requests(installation: Installation, draft: Draft) -> None:
    ann, made = draft
    await ann.upload(made["upload"], ann.usual)
    story = await ann.post()
    media_url = urlsplit((await eventually(lambda: ann.item(story), SOON))["media_url"])
    bucket = f"{media_url.scheme}://{media_url.netloc}/{media_url.path.split('/')[1]}"
    staged, final = (
        f"{bucket}/{made['upload']['fields']['key']}",
        f"{media_url.scheme}://{media_url.netloc}{media_url.path}",
    )
    listings = (
        f"{media_url.scheme}://{media_url.netloc}/",
        bucket,
        *(f"{bucket}?{what}" for what in ("list-type=2", "acl", "policy")),
    )
    attempts = [("GET", url) for url in listings]
    attempts += [
        (method, url)
        for url in (staged, final, f"{bucket}/stories/x", f"{bucket}/staging/x")
        for method in ("GET", "HEAD", "PUT", "POST", "DELETE")
    ]
    answers = [
        await installation.http.request(method, url, content=b"x" if method in {"PUT", "POST"} else None)
        for method, url in attempts
    ]
    assert {answer.status_code for answer in answers} <= {400, 403, 405, 411}, [
        (answer.request.method, str(answer.request.url), answer.status_code) for answer in answers
    ]


async def test_media_url_grants_read_access_to_its_object_only(installation: Installation) -> None:
    ann = installation.person("ann")
    story, other = await ann.post(), await ann.post()
    item, second = [await eventually(partial(ann.item, each), SOON) for each in (story, other)]
    url, elsewhere = item["media_url"], urlsplit(second["media_url"])
    assert (await installation.http.get(url)).status_code == 200
    path, expires = urlsplit(url).path, re.search(r"X-Amz-Expires=(\d+)", url)
    assert expires
    tampered = [
        url.replace(path, elsewhere.path),
        url.replace(path, f"{path}/../../staging/{new_id()}"),
        url.replace(expires[0], "X-Amz-Expires=604800"),
        re.sub(r"X-Amz-Signature=[0-9a-f]+", f"X-Amz-Signature={'0' * 64}", url),
        re.sub(r"response-cache-control=[^&]+", "response-cache-control=public", url),
        f"{url}&response-content-type=text/html",
        url.split("&X-Amz-Signature")[0],
    ]
    answers = [await installation.http.get(each) for each in tampered]
    answers += [await installation.http.request(method, url, content=b"x") for method in ("PUT", "POST", "DELETE")]
    assert {answer.status_code for answer in answers} <= {400, 403, 404, 405}, [
        (answer.request.method, answer.status_code, str(answer.request.url)[-200:]) for answer in answers
    ]
    assert (await installation.http.get(url)).status_code == 200

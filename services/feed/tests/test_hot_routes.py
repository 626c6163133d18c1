"""Hot routes return the same response on the fast path and on the slow path."""

import re

import pytest

pytestmark = pytest.mark.servers
UNKNOWN = "01a00000-0000-7000-8000-000000000000"


@pytest.fixture
async def paths(feed, people) -> dict[str, int]:
    """Requests to all hot routes, and their status codes."""
    await feed.follow(people.bob, people.ann)
    story = await feed.post(people.ann)
    return {
        "/v1/tray": 200,
        "/v1/tray?limit=0": 422,
        "/v1/tray?color=red": 422,
        f"/v1/rings?user_ids={people.ann}": 200,
        "/v1/rings": 422,
        f"/v1/users/{people.ann}/stories": 200,
        "/v1/users/-/stories": 404,
        f"/v1/reels?user_ids={people.ann}": 200,
        f"/v1/stories/{story.story_id}": 200,
        f"/v1/stories/{UNKNOWN}": 404,
        "/v1/stories/x": 404,
        "/v1/for-you?limit=1": 200,
        "/v1/following": 200,
        "/v1/followers?cursor=x": 422,
    }


def stable_part(answer) -> tuple:
    """The parts of a response that do not change with time."""
    changing = re.compile(
        r'"ticket(?:_expires_at)?":"[^"]*"|[?&]X-Amz-[^"]*|"urls_expire_at":"[^"]*"|"next_cursor":"[^"]*"'
    )
    names = sorted(set(answer.headers) - {"etag", "ratelimit", "content-length"})
    return answer.status_code, names, answer.headers.get("cache-control"), changing.sub("", answer.text)


async def test_fast_and_slow_path_return_the_same_response(feed, people, paths) -> None:
    for path, status in paths.items():
        fast = await feed.call("GET", path, people.bob)
        slow = await feed.call("GET", path, people.bob, content=b"x")
        head = await feed.call("HEAD", path, people.bob)
        assert fast.status_code == status, path
        assert stable_part(fast) == stable_part(slow), path
        assert (head.status_code, head.headers.get("cache-control")) == (status, fast.headers.get("cache-control"))


async def test_other_methods_and_escaped_paths_are_refused(feed, people) -> None:
    answer = await feed.call("POST", "/v1/tray", people.bob)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    answer = await feed.call("GET", f"/v1/users/{people.ann}%2Fx/stories", people.bob)
    assert answer.status_code == 404


async def test_both_paths_are_counted_once_by_route_template(feed, people, paths) -> None:
    async def count() -> float:
        page = (await feed.http.get("/metrics")).text
        lines = [line for line in page.splitlines() if line.startswith("stories_http_requests_total{")]
        return sum(float(line.rpartition(" ")[2]) for line in lines if 'route="/v1/stories/{story_id}"' in line)

    before = await count()
    await feed.call("GET", f"/v1/stories/{UNKNOWN}", people.bob)
    await feed.call("GET", f"/v1/stories/{UNKNOWN}", people.bob, content=b"x")
    assert await count() == before + 2


async def test_a_replica_whose_clock_is_off_is_503_on_both_paths(feed, people, monkeypatch) -> None:
    health = feed.app.state.runtime.health
    monkeypatch.setattr(type(health), "clock_is_off", property(lambda _: True))
    for content in (None, b"x"):
        answer = await feed.call("GET", "/v1/tray", people.bob, content=content)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")

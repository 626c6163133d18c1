"""The OpenAPI document lists every route and its errors."""

from stories_engagement.testing.harness import ServiceHarness


async def test_every_route_is_documented_with_its_refusals(service: ServiceHarness) -> None:
    paths = (await service.client.get("/openapi.json")).json()["paths"]
    assert {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods} == {
        "POST /v1/views",
        "GET /v1/stories/{story_id}/viewers",
        "PUT /v1/stories/{story_id}/reaction",
        "DELETE /v1/stories/{story_id}/reaction",
        "GET /v1/stories/{story_id}/reactions",
        "POST /v1/stories/{story_id}/comments",
        "GET /v1/stories/{story_id}/comments",
        "DELETE /v1/comments/{comment_id}",
        "POST /v1/stories/{story_id}/shares",
        "GET /v1/stories/{story_id}/counts",
        "PUT /v1/stories/{story_id}/answers/{layer_id}",
        "DELETE /v1/stories/{story_id}/answers/{layer_id}",
        "GET /v1/stories/{story_id}/answers",
        "GET /v1/stories/{story_id}/insights",
        "GET /v1/me/insights",
        "GET /v1/me/privacy",
        "PUT /v1/me/privacy",
        "GET /v1/me/hidden-words",
        "PUT /v1/me/hidden-words",
        "POST /v1/stories/{story_id}/reports",
        "POST /v1/comments/{comment_id}/reports",
        "GET /v1/admin/reports",
        "POST /v1/admin/reports/{report_id}/decision",
        "GET /v1/admin/audit",
        "POST /v1/admin/webhooks",
        "GET /v1/admin/webhooks",
        "GET /v1/admin/webhooks/{webhook_id}",
        "PATCH /v1/admin/webhooks/{webhook_id}",
        "DELETE /v1/admin/webhooks/{webhook_id}",
        "POST /v1/admin/webhooks/{webhook_id}/test",
        "GET /v1/admin/webhooks/{webhook_id}/deliveries",
        "POST /v1/admin/webhooks/{webhook_id}/deliveries/{delivery_id}/retry",
    }
    operations = [operation for methods in paths.values() for operation in methods.values()]
    assert all({"401", "422", "429", "503"} <= operation["responses"].keys() for operation in operations)
    about_one = [found for path, methods in paths.items() if "{" in path for found in methods.values()]
    assert all("404" in operation["responses"] for operation in about_one)
    written = paths["/v1/stories/{story_id}/comments"]["post"]["responses"]
    assert {"201", "403", "409"} <= written.keys()


async def test_rate_limits_are_advertised_and_enforced(service: ServiceHarness) -> None:
    story = await service.post()
    answer = await service.request("GET", f"/v1/stories/{story.story_id}/counts", "ann")
    assert answer.headers["ratelimit-policy"] == '"reads";q=100000;w=60'
    assert answer.headers["cache-control"] == "private, no-store"
    limits = service.app.state.limits
    quota, limits.quotas["reactions"] = limits.quotas["reactions"], 1
    try:
        path = f"/v1/stories/{story.story_id}/reaction"
        statuses = [(await service.request("PUT", path, "ann", json={"emoji": "❤️"})).status_code for _ in range(2)]
        assert statuses == [204, 429]
        assert service.metric("stories_rate_limited_total", limit="reactions") == 1
    finally:
        limits.quotas["reactions"] = quota

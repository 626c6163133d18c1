"""Views from report to count to list, through HTTP and Kafka."""

from stories_engagement.testing.house import House


async def test_a_reported_view_is_counted_and_its_viewer_listed(house: House) -> None:
    story = await house.post()
    answer = await house.view(story, "bob", watched_ms=1200, completed=True, taps={"forward": 1, "back": 0, "exit": 0})
    assert (answer.status_code, answer.json()) == (202, {"accepted": 1, "rejected": []})
    await house.counted(story, views=1, viewers=1)
    page = await house.viewers(story)
    assert [(item["viewer_id"], item["plays"], item["reaction"]) for item in page["items"]] == [("bob", 1, None)]
    assert (page["total"], page["hidden"], page["next_cursor"]) == (1, 0, None)

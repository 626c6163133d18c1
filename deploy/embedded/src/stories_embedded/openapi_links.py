"""The links of the merged OpenAPI: which operations a client can call with the values of a response.

No service knows the operations of another, so all links are defined here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

EDGES = (
    ("follow_user", "unfollow_user", "list_following"),
    ("block_user", "unblock_user", "list_blocked"),
    ("mute_user", "unmute_user", "list_muted"),
    ("add_close_friend", "remove_close_friend", "list_close_friends"),
)
"""Adding to, removing from and listing each list of users."""

TICKET = {"Story-Ticket": "$request.header.Story-Ticket"}
SAME_STORY = {"story_id": "$request.path.story_id", **TICKET}
SAME_USER = {"user_id": "$request.path.user_id"}
TICKETS_STORY = {"story_id": "$response.body#/id", "Story-Ticket": "$response.body#/ticket"}
AUTHOR = {"user_id": "$response.body#/author_id"}
NEXT = "$response.body#/next_cursor"


@dataclass(frozen=True, slots=True)
class Link:
    """A link from the response of an operation to a target operation.

    ``given`` are parameters by name, ``body`` is the request body; a string that begins with ``$`` is an expression.
    """

    source: str
    status: int
    target: str
    given: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    name: str = ""

    def described(self) -> dict[str, Any]:
        """The OpenAPI link object."""
        parts = {"operationId": self.target, "parameters": dict(self.given), "requestBody": self.body}
        return {name: part for name, part in parts.items() if part}


def to(source: str, status: int, *targets: str, **given: str) -> list[Link]:
    """Links with parameters from the response; ``given`` are JSON pointers into its body."""
    found = {name: f"$response.body#{pointer}" for name, pointer in given.items()}
    return [Link(source, status, target, found) for target in targets]


def linked(source: str, status: int, *targets: str, given: Mapping[str, str] | None = None) -> list[Link]:
    """Links with the given parameters, by default none."""
    return [Link(source, status, target, given or {}) for target in targets]


def next_page(source: str, **given: str) -> Link:
    """A link to the next page of a list; ``given`` maps the parameters of the cursor to their location."""
    same = {name: f"$request.{place}.{name}" for name, place in given.items()}
    return Link(source, 200, source, {**same, "cursor": NEXT}, name="next_page")


def story_links() -> list[Link]:
    """Links from the draft of a story to its receipt."""
    draft = ("get_my_story", "renew_upload", "publish_story", "cancel_story", "change_story", "delete_story")
    own = ("get_my_story", "change_story", "delete_story", "get_story", "list_viewers")
    live = (*own, "get_counts", "list_comments", "get_reactions")
    return [
        *to("create_story", 201, *draft, story_id="/id"),
        *linked("renew_upload", 200, "publish_story", given={"story_id": SAME_STORY["story_id"]}),
        *to("publish_story", 202, "publish_story", "get_my_story", story_id="/id"),
        *to("publish_story", 200, *live, story_id="/id"),
        *to("publish_story", 200, "get_reel", user_id="/author_id"),
        *to("change_story", 200, "get_my_story", story_id="/id"),
        *to("list_my_stories", 200, "get_my_story", story_id="/items/0/id"),
        next_page("list_my_stories", state="query"),
        *linked("delete_story", 204, "get_story_receipt", given={"story_id": SAME_STORY["story_id"]}),
    ]


def feed_links() -> list[Link]:
    """Links from trays, reels and stories."""
    written = ("set_reaction", "withdraw_reaction", "create_comment", "share_story")
    ticketed = (*written, "get_reactions", "list_comments", "get_counts")
    item, author = {"story_id": "$response.body#/items/0/id"}, {"user_id": "$response.body#/items/0/author_id"}
    return [
        *linked("get_story", 200, *ticketed, given=TICKETS_STORY),
        *linked("get_story", 200, "get_reel", "follow_user", given=AUTHOR),
        Link("get_story", 200, "mark_seen", AUTHOR, {"up_to": "$response.body#/id"}),
        Link("get_story", 200, "report_views", body={"views": [{"ticket": "$response.body#/ticket"}]}),
        *linked("get_reel", 200, "get_story", "list_viewers", given=item),
        *linked("get_reel", 200, "list_comments", given={**item, "Story-Ticket": "$response.body#/items/0/ticket"}),
        Link("get_reel", 200, "mark_seen", SAME_USER, {"up_to": item["story_id"]}),
        Link("get_reel", 200, "report_views", body={"views": [{"ticket": "$response.body#/items/0/ticket"}]}),
        next_page("get_reel", user_id="path"),
        *linked("list_for_you", 200, "get_story", given=item),
        *linked("list_for_you", 200, "get_reel", "follow_user", given=author),
        next_page("list_for_you"),
        *linked("get_tray", 200, "get_reel", "mute_user", given=author),
        Link("get_tray", 200, "get_rings", {"user_ids": author["user_id"]}),
        next_page("get_tray"),
        Link("mark_seen", 204, "get_rings", {"user_ids": SAME_USER["user_id"]}),
    ]


def engagement_links() -> list[Link]:
    """Links of reactions, comments and viewer lists."""
    story = {"story_id": "$response.body#/story_id", **TICKET}
    return [
        *linked("set_reaction", 204, "get_reactions", "withdraw_reaction", "get_counts", given=SAME_STORY),
        *linked("withdraw_reaction", 204, "get_reactions", given=SAME_STORY),
        *linked("share_story", 201, "get_counts", given=SAME_STORY),
        *to("create_comment", 201, "delete_comment", comment_id="/id"),
        *linked("create_comment", 201, "list_comments", "get_counts", given=story),
        Link("create_comment", 201, "create_comment", story, {"reply_to": "$response.body#/id"}, "reply"),
        Link("create_comment", 201, "list_comments", {**story, "reply_to": "$response.body#/id"}, name="replies"),
        *to("list_comments", 200, "delete_comment", comment_id="/items/0/id"),
        Link("list_comments", 200, "create_comment", SAME_STORY, {"reply_to": "$response.body#/items/0/id"}, "reply"),
        next_page("list_comments", story_id="path", reply_to="query", hidden="query", **{"Story-Ticket": "header"}),
        *to("list_viewers", 200, "get_reel", "block_user", user_id="/items/0/viewer_id"),
        next_page("list_viewers", story_id="path"),
        Link("get_privacy", 200, "set_privacy", body={"view_history": "$response.body#/view_history"}),
        Link("get_hidden_words", 200, "set_hidden_words", body={"words": "$response.body#/words"}),
        *linked("set_privacy", 200, "get_privacy"),
        *linked("set_hidden_words", 200, "get_hidden_words"),
    ]


def relationship_links() -> list[Link]:
    """Links of relationships and of account erasure."""
    listed = {"user_id": "$response.body#/items/0/user_id"}
    return [
        *(
            link
            for add, remove, listed_by in EDGES
            for link in (
                *linked(add, 204, listed_by),
                *linked(add, 204, remove, given=SAME_USER),
                *linked(remove, 204, listed_by),
                *linked(listed_by, 200, remove, given=listed),
                next_page(listed_by),
            )
        ),
        *linked("follow_user", 204, "get_tray"),
        *linked("follow_user", 204, "get_reel", given=SAME_USER),
        *(Link("follow_user", 204, many, {"user_ids": SAME_USER["user_id"]}) for many in ("get_rings", "get_reels")),
        *linked("list_following", 200, "get_reel", given=listed),
        *linked("list_followers", 200, "remove_follower", "follow_user", "add_close_friend", given=listed),
        next_page("list_followers"),
        *linked("remove_follower", 204, "list_followers"),
        *to("erase_user", 202, "get_user_erasure", user_id="/user_id"),
    ]


def add_links(links: Iterable[Link], paths: Mapping[str, Mapping[str, dict[str, Any]]]) -> None:
    """Add links to the responses of a document's operations. Raises KeyError if a response does not exist."""
    operations = {each["operationId"]: each for methods in paths.values() for each in methods.values()}
    for link in links:
        responses = operations[link.source]["responses"]
        response = dict(responses[str(link.status)])
        name = link.name or link.target
        if name in (links_before := response.get("links", {})):
            raise ValueError(f"{link.source} {link.status} has a link {name} twice")
        response["links"] = {**links_before, name: link.described()}
        responses[str(link.status)] = response


LINKS = (*story_links(), *feed_links(), *engagement_links(), *relationship_links())

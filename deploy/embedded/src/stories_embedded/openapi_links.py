"""The links of the merged OpenAPI: which operations a client can call with the values of a response.

No service knows the operations of another, so all links are defined here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

EDGES = ("following", "blocked", "muted", "close-friends")

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
    draft = ("read_story", "renew_form", "publish_story", "cancel_story", "change_story", "delete_story")
    own = ("read_story", "change_story", "delete_story", "story", "list_viewers")
    live = (*own, "read_counts", "read_comments", "read_reactions")
    return [
        *to("create_story", 201, *draft, story_id="/id"),
        *linked("renew_form", 200, "publish_story", given={"story_id": SAME_STORY["story_id"]}),
        *to("publish_story", 202, "publish_story", "read_story", story_id="/id"),
        *to("publish_story", 200, *live, story_id="/id"),
        *to("publish_story", 200, "reel", user_id="/author_id"),
        *to("change_story", 200, "read_story", story_id="/id"),
        *to("list_own", 200, "read_story", story_id="/items/0/id"),
        next_page("list_own", state="query"),
        *linked("delete_story", 204, "receipt", given={"story_id": SAME_STORY["story_id"]}),
    ]


def feed_links() -> list[Link]:
    """Links from trays, reels and stories."""
    written = ("set_reaction", "withdraw_reaction", "write_comment", "share_story")
    ticketed = (*written, "read_reactions", "read_comments", "read_counts")
    item, author = {"story_id": "$response.body#/items/0/id"}, {"user_id": "$response.body#/items/0/author_id"}
    return [
        *linked("story", 200, *ticketed, given=TICKETS_STORY),
        *linked("story", 200, "reel", "put-following", given=AUTHOR),
        Link("story", 200, "seen", AUTHOR, {"up_to": "$response.body#/id"}),
        Link("story", 200, "take_views", body={"views": [{"ticket": "$response.body#/ticket"}]}),
        *linked("reel", 200, "story", "list_viewers", given=item),
        *linked("reel", 200, "read_comments", given={**item, "Story-Ticket": "$response.body#/items/0/ticket"}),
        Link("reel", 200, "seen", SAME_USER, {"up_to": item["story_id"]}),
        Link("reel", 200, "take_views", body={"views": [{"ticket": "$response.body#/items/0/ticket"}]}),
        next_page("reel", user_id="path"),
        *linked("for_you", 200, "story", given=item),
        *linked("for_you", 200, "reel", "put-following", given=author),
        next_page("for_you"),
        *linked("tray", 200, "reel", "put-muted", given=author),
        Link("tray", 200, "rings", {"user_ids": author["user_id"]}),
        next_page("tray"),
        Link("seen", 204, "rings", {"user_ids": SAME_USER["user_id"]}),
    ]


def engagement_links() -> list[Link]:
    """Links of reactions, comments and viewer lists."""
    story = {"story_id": "$response.body#/story_id", **TICKET}
    return [
        *linked("set_reaction", 204, "read_reactions", "withdraw_reaction", "read_counts", given=SAME_STORY),
        *linked("withdraw_reaction", 204, "read_reactions", given=SAME_STORY),
        *linked("share_story", 201, "read_counts", given=SAME_STORY),
        *to("write_comment", 201, "delete_comment", comment_id="/id"),
        *linked("write_comment", 201, "read_comments", "read_counts", given=story),
        Link("write_comment", 201, "write_comment", story, {"reply_to": "$response.body#/id"}, "reply"),
        Link("write_comment", 201, "read_comments", {**story, "reply_to": "$response.body#/id"}, name="replies"),
        *to("read_comments", 200, "delete_comment", comment_id="/items/0/id"),
        Link("read_comments", 200, "write_comment", SAME_STORY, {"reply_to": "$response.body#/items/0/id"}, "reply"),
        next_page("read_comments", story_id="path", reply_to="query", hidden="query", **{"Story-Ticket": "header"}),
        *to("list_viewers", 200, "reel", "put-blocked", user_id="/items/0/viewer_id"),
        next_page("list_viewers", story_id="path", **{"Story-Ticket": "header"}),
        Link("get_privacy", 200, "put_privacy", body={"view_history": "$response.body#/view_history"}),
        Link("get_hidden_words", 200, "put_hidden_words", body={"words": "$response.body#/words"}),
        *linked("put_privacy", 200, "get_privacy"),
        *linked("put_hidden_words", 200, "get_hidden_words"),
    ]


def relationship_links() -> list[Link]:
    """Links of relationships and of account erasure."""
    listed = {"user_id": "$response.body#/items/0/user_id"}
    return [
        *(
            link
            for edge in EDGES
            for link in (
                *linked(f"put-{edge}", 204, f"list-{edge}"),
                *linked(f"put-{edge}", 204, f"delete-{edge}", given=SAME_USER),
                *linked(f"delete-{edge}", 204, f"list-{edge}"),
                *linked(f"list-{edge}", 200, f"delete-{edge}", given=listed),
                next_page(f"list-{edge}"),
            )
        ),
        *linked("put-following", 204, "tray"),
        *linked("put-following", 204, "reel", given=SAME_USER),
        *(Link("put-following", 204, many, {"user_ids": SAME_USER["user_id"]}) for many in ("rings", "reels")),
        *linked("list-following", 200, "reel", given=listed),
        *linked("followers", 200, "remove_follower", "put-following", "put-close-friends", given=listed),
        next_page("followers"),
        *linked("remove_follower", 204, "followers"),
        *to("erase_user", 202, "user_receipt", user_id="/user_id"),
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

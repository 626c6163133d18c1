"""Which edges make the relation of a viewer to an author, and which of them a follow list tells."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cache

from stories_feed.domain.edges import FollowList, Kind
from stories_feed.domain.visibility import Relation

Fields = tuple[str, ...]
"""The names of those fields of a relation that are true."""

FIELD_OF_EDGE: Mapping[tuple[str, bool], str] = {
    (Kind.FOLLOW, True): "follows",
    (Kind.FOLLOW, False): "followed",
    (Kind.BLOCK, True): "blocked",
    (Kind.BLOCK, False): "blocked",
    (Kind.CLOSE_FRIEND, False): "close",
    (Kind.HIDE, False): "hidden",
    (Kind.MUTE, True): "muted",
}
"""The field of a relation that an edge sets, by its kind and whether it is the viewer's."""
LISTED = frozenset({Kind.MUTE, Kind.HIDE})
"""Kinds of edges that a follow list names with the relation that they make."""
FOLLOWS = ("follows",)


@cache
def relation_of(fields: Fields) -> Relation:
    """The relation with these fields. There are few, and to make one takes two microseconds."""
    return Relation(**dict.fromkeys(fields, True))


def grouped(authors: Mapping[str, Collection[Kind]]) -> Mapping[frozenset[Kind], Sequence[str]]:
    """The authors by the kinds of edges to read: there are few sets of kinds, and many authors."""
    groups: dict[frozenset[Kind], list[str]] = defaultdict(list)
    for author, kinds in authors.items():
        groups[frozenset(kinds)].append(author)
    return groups


def fields_in_list(authors: Mapping[str, object], follow_list: FollowList) -> dict[str, Fields]:
    """The fields that a viewer's follow list gives the relations to these authors."""
    fields: dict[str, Fields] = dict.fromkeys(authors.keys() & follow_list.following, FOLLOWS)
    for field, users in (("muted", follow_list.muted), ("hidden", follow_list.hidden_by)):
        for author in authors.keys() & users:
            fields[author] = (*fields.get(author, ()), field)
    return fields


def edge_ids(viewer_id: str, authors: Mapping[str, Collection[Kind]], listed: Mapping[str, Fields] | None) -> list[str]:
    """The edges to look up for the relations to these authors, by the kinds that matter for each.

    Args:
        viewer_id: the viewer.
        authors: the kinds by author.
        listed: what the viewer's follow list gives; None if it was not read. Neither its edges nor blocks of those who
            are followed are looked up then.
    """
    followed = {author for author, known in listed.items() if "follows" in known} if listed is not None else set()
    ids: list[str] = []
    for kinds, some in grouped(authors).items():
        for kind in kinds:
            own, wanted = (kind, True) in FIELD_OF_EDGE, some
            if listed is not None:
                if kind in LISTED:
                    continue
                if kind is Kind.BLOCK:
                    wanted = [author for author in some if author not in followed]
                elif kind is Kind.FOLLOW:  # of a stranger it does not matter whether they follow the viewer
                    own, wanted = False, [author for author in some if author in followed]
            if own:
                ids += [f"{kind}/{viewer_id}/{author}" for author in wanted]
            if (kind, False) in FIELD_OF_EDGE:
                ids += [f"{kind}/{author}/{viewer_id}" for author in wanted]
    return ids

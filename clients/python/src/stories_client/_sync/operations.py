# Made from docs/openapi.json by `make docs`; a test compares.

"""Every operation of the API, one method each."""

from abc import ABC, abstractmethod
from typing import Any, Literal
from urllib.parse import quote

from stories_client import models


class Operations(ABC):
    """Blocking methods for the operations of the OpenAPI document, by their ids."""

    @abstractmethod
    def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str | None] | None = None,
        body: Any = None,
    ) -> Any:
        """Send a request. Raises: StoriesError: it was refused."""

    def list_audit(self, *, limit: int | None = None, cursor: str | None = None) -> models.AuditEntryPage:
        """Every decision with who and when, the newest first."""
        found: models.AuditEntryPage = self.call("GET", "/v1/admin/audit", query={"limit": limit, "cursor": cursor})
        return found

    def get_erasure_audit(self) -> models.ErasureAudit:
        """What has ended and is not erased everywhere yet."""
        found: models.ErasureAudit = self.call("GET", "/v1/admin/erasure")
        return found

    def list_reports(
        self, *, state: Literal["open", "decided"] | None = None, limit: int | None = None, cursor: str | None = None
    ) -> models.ReportPage:
        """Reports, the oldest first."""
        found: models.ReportPage = self.call(
            "GET", "/v1/admin/reports", query={"state": state, "limit": limit, "cursor": cursor}
        )
        return found

    def decide_report(self, report_id: str, body: models.DecisionCreate) -> models.Report:
        """Decide about what was reported."""
        found: models.Report = self.call("POST", f"/v1/admin/reports/{quote(report_id, safe='')}/decision", body=body)
        return found

    def erase_user(self, user_id: str, *, idempotency_key: str | None = None) -> models.UserErasure:
        """Have every service forget a user as of now."""
        found: models.UserErasure = self.call(
            "POST", f"/v1/admin/users/{quote(user_id, safe='')}/erasure", headers={"Idempotency-Key": idempotency_key}
        )
        return found

    def get_user_erasure(self, user_id: str) -> models.UserErasure:
        """Which services have forgotten the user, by the newest demand."""
        found: models.UserErasure = self.call("GET", f"/v1/admin/users/{quote(user_id, safe='')}/erasure")
        return found

    def create_webhook(self, body: models.WebhookCreate, *, idempotency_key: str | None = None) -> models.Webhook:
        """Add an endpoint."""
        found: models.Webhook = self.call(
            "POST", "/v1/admin/webhooks", headers={"Idempotency-Key": idempotency_key}, body=body
        )
        return found

    def list_webhooks(self, *, limit: int | None = None, cursor: str | None = None) -> models.WebhookPage:
        """The endpoints, the oldest first; at most 50 of them exist."""
        found: models.WebhookPage = self.call("GET", "/v1/admin/webhooks", query={"limit": limit, "cursor": cursor})
        return found

    def get_webhook(self, webhook_id: str) -> models.Webhook:
        """One endpoint."""
        found: models.Webhook = self.call("GET", f"/v1/admin/webhooks/{quote(webhook_id, safe='')}")
        return found

    def change_webhook(self, webhook_id: str, body: models.WebhookChanges) -> models.Webhook:
        """Change an endpoint."""
        found: models.Webhook = self.call("PATCH", f"/v1/admin/webhooks/{quote(webhook_id, safe='')}", body=body)
        return found

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete an endpoint with its deliveries."""
        self.call("DELETE", f"/v1/admin/webhooks/{quote(webhook_id, safe='')}")

    def list_deliveries(
        self, webhook_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> models.DeliveryPage:
        """Deliveries, the newest first: pending ones, those of the last 72 hours, dead ones for 7 days."""
        found: models.DeliveryPage = self.call(
            "GET",
            f"/v1/admin/webhooks/{quote(webhook_id, safe='')}/deliveries",
            query={"limit": limit, "cursor": cursor},
        )
        return found

    def retry_delivery(self, webhook_id: str, delivery_id: str) -> models.Delivery:
        """Deliver once more, now; where that fails, for 24 hours from now on."""
        found: models.Delivery = self.call(
            "POST", f"/v1/admin/webhooks/{quote(webhook_id, safe='')}/deliveries/{quote(delivery_id, safe='')}/retry"
        )
        return found

    def test_webhook(self, webhook_id: str) -> models.Delivery:
        """Queue an event `stories.webhook-test.v1` for the endpoint."""
        found: models.Delivery = self.call("POST", f"/v1/admin/webhooks/{quote(webhook_id, safe='')}/test")
        return found

    def list_blocked(self, *, limit: int | None = None, cursor: str | None = None) -> models.EdgePage:
        """Users whom the caller blocks, newest first."""
        found: models.EdgePage = self.call("GET", "/v1/blocked", query={"limit": limit, "cursor": cursor})
        return found

    def block_user(self, user_id: str) -> None:
        """Block a user."""
        self.call("PUT", f"/v1/blocked/{quote(user_id, safe='')}")

    def unblock_user(self, user_id: str) -> None:
        """Unblock a user."""
        self.call("DELETE", f"/v1/blocked/{quote(user_id, safe='')}")

    def list_close_friends(self, *, limit: int | None = None, cursor: str | None = None) -> models.EdgePage:
        """The caller's close friends, newest first."""
        found: models.EdgePage = self.call("GET", "/v1/close-friends", query={"limit": limit, "cursor": cursor})
        return found

    def add_close_friend(self, user_id: str) -> None:
        """Add a close friend."""
        self.call("PUT", f"/v1/close-friends/{quote(user_id, safe='')}")

    def remove_close_friend(self, user_id: str) -> None:
        """Remove a close friend."""
        self.call("DELETE", f"/v1/close-friends/{quote(user_id, safe='')}")

    def delete_comment(self, comment_id: str) -> None:
        """Delete a comment and its replies: its writer, the story's author and admins."""
        self.call("DELETE", f"/v1/comments/{quote(comment_id, safe='')}")

    def report_comment(self, comment_id: str, body: models.ReportCreate, *, ticket: str | None = None) -> None:
        """Report a comment to the admins, with the ticket of its story."""
        self.call(
            "POST", f"/v1/comments/{quote(comment_id, safe='')}/reports", headers={"Story-Ticket": ticket}, body=body
        )

    def get_config(self) -> models.Config:
        """Bounds, vocabularies and limits."""
        found: models.Config = self.call("GET", "/v1/config")
        return found

    def get_eligibility(self) -> models.Eligibility:
        """Whether the caller may create and view stories according to the rollout policy."""
        found: models.Eligibility = self.call("GET", "/v1/eligibility")
        return found

    def list_followers(self, *, limit: int | None = None, cursor: str | None = None) -> models.EdgePage:
        """The caller's followers, newest first."""
        found: models.EdgePage = self.call("GET", "/v1/followers", query={"limit": limit, "cursor": cursor})
        return found

    def remove_follower(self, user_id: str) -> None:
        """Remove a user from the caller's followers."""
        self.call("DELETE", f"/v1/followers/{quote(user_id, safe='')}")

    def list_following(self, *, limit: int | None = None, cursor: str | None = None) -> models.FollowedPage:
        """Users whom the caller follows, newest first."""
        found: models.FollowedPage = self.call("GET", "/v1/following", query={"limit": limit, "cursor": cursor})
        return found

    def follow_user(self, user_id: str, body: models.FollowOptions | None = None) -> None:
        """Follow a user."""
        self.call("PUT", f"/v1/following/{quote(user_id, safe='')}", body=body)

    def unfollow_user(self, user_id: str) -> None:
        """Stop following a user."""
        self.call("DELETE", f"/v1/following/{quote(user_id, safe='')}")

    def list_for_you(self, *, limit: int | None = None, cursor: str | None = None) -> models.ReelPage:
        """Public live stories of anyone that the caller has not seen, ranked by freshness and engagement."""
        found: models.ReelPage = self.call("GET", "/v1/for-you", query={"limit": limit, "cursor": cursor})
        return found

    def search_hashtags(self, *, prefix: str | None = None) -> models.HashtagPage:
        """Up to twenty hashtags of public live stories that begin with a prefix, those with most stories first."""
        found: models.HashtagPage = self.call("GET", "/v1/hashtags", query={"prefix": prefix})
        return found

    def list_hashtag_stories(self, tag: str, *, limit: int | None = None, cursor: str | None = None) -> models.ReelPage:
        """Public live stories with a hashtag, newest first."""
        found: models.ReelPage = self.call(
            "GET", f"/v1/hashtags/{quote(tag, safe='')}/stories", query={"limit": limit, "cursor": cursor}
        )
        return found

    def list_hidden_from(self, *, limit: int | None = None, cursor: str | None = None) -> models.EdgePage:
        """Users from whom the caller hides, newest first."""
        found: models.EdgePage = self.call("GET", "/v1/hidden-from", query={"limit": limit, "cursor": cursor})
        return found

    def hide_from_user(self, user_id: str) -> None:
        """Hide all stories from a user."""
        self.call("PUT", f"/v1/hidden-from/{quote(user_id, safe='')}")

    def unhide_from_user(self, user_id: str) -> None:
        """Show them again."""
        self.call("DELETE", f"/v1/hidden-from/{quote(user_id, safe='')}")

    def get_highlight(
        self, highlight_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> models.HighlightItemPage:
        """A highlight and its stories, as far as the caller may see them; 404 across a block."""
        found: models.HighlightItemPage = self.call(
            "GET", f"/v1/highlights/{quote(highlight_id, safe='')}", query={"limit": limit, "cursor": cursor}
        )
        return found

    def create_live_token(self) -> models.LiveToken:
        """Get a token for live updates in a browser."""
        found: models.LiveToken = self.call("POST", "/v1/live/token")
        return found

    def get_me(self) -> models.Me:
        """Who the caller is, by their token, and what they may post."""
        found: models.Me = self.call("GET", "/v1/me")
        return found

    def list_archived(self, *, limit: int | None = None, cursor: str | None = None) -> models.ArchivedItemPage:
        """The caller's expired stories, newest first; nobody else gets them here."""
        found: models.ArchivedItemPage = self.call("GET", "/v1/me/archive", query={"limit": limit, "cursor": cursor})
        return found

    def get_archive_settings(self) -> models.ArchiveSettings:
        """Whether the caller keeps expired stories; not by default."""
        found: models.ArchiveSettings = self.call("GET", "/v1/me/archive-settings")
        return found

    def set_archive_settings(self, body: models.ArchiveSettings) -> models.ArchiveSettings:
        """Keep stories that expire from now on, or no longer; what is kept already stays."""
        found: models.ArchiveSettings = self.call("PUT", "/v1/me/archive-settings", body=body)
        return found

    def delete_archived(self, story_id: str) -> None:
        """Erase a story from the archive and from highlights: its media is gone when this answers."""
        self.call("DELETE", f"/v1/me/archive/{quote(story_id, safe='')}")

    def get_hidden_words(self) -> models.HiddenWords:
        """The words that hide comments under one's stories."""
        found: models.HiddenWords = self.call("GET", "/v1/me/hidden-words")
        return found

    def set_hidden_words(self, body: models.HiddenWordsRequest) -> models.HiddenWords:
        """Readers see comments by the new words at once; counts follow within seconds."""
        found: models.HiddenWords = self.call("PUT", "/v1/me/hidden-words", body=body)
        return found

    def create_highlight(self, body: models.HighlightCreate, *, idempotency_key: str | None = None) -> models.Highlight:
        """Show archived stories of one's own again, under a title."""
        found: models.Highlight = self.call(
            "POST", "/v1/me/highlights", headers={"Idempotency-Key": idempotency_key}, body=body
        )
        return found

    def change_highlight(self, highlight_id: str, body: models.HighlightChanges) -> models.Highlight:
        """Change title, stories or cover of a highlight."""
        found: models.Highlight = self.call("PATCH", f"/v1/me/highlights/{quote(highlight_id, safe='')}", body=body)
        return found

    def delete_highlight(self, highlight_id: str) -> None:
        """Delete a highlight; its stories stay in the archive."""
        self.call("DELETE", f"/v1/me/highlights/{quote(highlight_id, safe='')}")

    def list_insights(
        self, *, from_: str | None = None, to: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> models.InsightsPage:
        """The totals of the caller's stories of a period, and each of them, the newest first."""
        found: models.InsightsPage = self.call(
            "GET", "/v1/me/insights", query={"from": from_, "to": to, "limit": limit, "cursor": cursor}
        )
        return found

    def list_mentions(self, *, limit: int | None = None, cursor: str | None = None) -> models.ReelPage:
        """Live stories that mention the caller and that the caller may see, newest first."""
        found: models.ReelPage = self.call("GET", "/v1/me/mentions", query={"limit": limit, "cursor": cursor})
        return found

    def get_privacy(self) -> models.Privacy:
        """Whether one is listed as a viewer."""
        found: models.Privacy = self.call("GET", "/v1/me/privacy")
        return found

    def set_privacy(self, body: models.PrivacyRequest) -> models.Privacy:
        """Off unlists at once, for good, from every live story."""
        found: models.Privacy = self.call("PUT", "/v1/me/privacy", body=body)
        return found

    def get_quota(self) -> models.Quota:
        """How much may still be posted; only what went live counts."""
        found: models.Quota = self.call("GET", "/v1/me/quota")
        return found

    def delete_stories(self) -> models.Deleting:
        """End all of one's own live stories; each has a receipt."""
        found: models.Deleting = self.call("DELETE", "/v1/me/stories")
        return found

    def list_my_stories(
        self,
        *,
        state: Literal["draft", "processing", "scheduled", "live", "refused"] | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> models.StoryPage:
        """One's own stories, newest first."""
        found: models.StoryPage = self.call(
            "GET", "/v1/me/stories", query={"state": state, "limit": limit, "cursor": cursor}
        )
        return found

    def get_my_story(self, story_id: str) -> models.Story:
        """Everything of a story, in any state until it ends."""
        found: models.Story = self.call("GET", f"/v1/me/stories/{quote(story_id, safe='')}")
        return found

    def list_muted(self, *, limit: int | None = None, cursor: str | None = None) -> models.EdgePage:
        """Users whom the caller mutes, newest first."""
        found: models.EdgePage = self.call("GET", "/v1/muted", query={"limit": limit, "cursor": cursor})
        return found

    def mute_user(self, user_id: str) -> None:
        """Mute a user."""
        self.call("PUT", f"/v1/muted/{quote(user_id, safe='')}")

    def unmute_user(self, user_id: str) -> None:
        """Unmute a user."""
        self.call("DELETE", f"/v1/muted/{quote(user_id, safe='')}")

    def get_reels(self, *, user_ids: str) -> models.ReelBatch:
        """The first twenty items of the reels of up to twenty authors."""
        found: models.ReelBatch = self.call("GET", "/v1/reels", query={"user_ids": user_ids})
        return found

    def get_rings(self, *, user_ids: str) -> models.Rings:
        """The rings of up to a hundred users."""
        found: models.Rings = self.call("GET", "/v1/rings", query={"user_ids": user_ids})
        return found

    def create_story(self, body: models.StoryCreate, *, idempotency_key: str | None = None) -> models.Draft:
        """Ask for a story; the answer holds a form for its upload, null for a text story."""
        found: models.Draft = self.call("POST", "/v1/stories", headers={"Idempotency-Key": idempotency_key}, body=body)
        return found

    def change_story(self, story_id: str, body: models.StoryChanges) -> models.Story:
        """Change who may see a story and what may be done with it; what is not sent stays as it is."""
        found: models.Story = self.call("PATCH", f"/v1/stories/{quote(story_id, safe='')}", body=body)
        return found

    def delete_story(self, story_id: str, *, series: bool | None = None) -> None:
        """End a story: durable, published, and its media gone when this answers; of an expired one, its insights go."""
        self.call("DELETE", f"/v1/stories/{quote(story_id, safe='')}", query={"series": series})

    def get_story(self, story_id: str) -> models.ReelItem:
        """One story that the caller may see, with new URLs and a new ticket; admins may see any live story."""
        found: models.ReelItem = self.call("GET", f"/v1/stories/{quote(story_id, safe='')}")
        return found

    def list_answers(
        self, story_id: str, *, layer_id: str, limit: int | None = None, cursor: str | None = None
    ) -> models.GivenAnswerPage:
        """Who answered what, newest first."""
        found: models.GivenAnswerPage = self.call(
            "GET",
            f"/v1/stories/{quote(story_id, safe='')}/answers",
            query={"layer_id": layer_id, "limit": limit, "cursor": cursor},
        )
        return found

    def answer_layer(
        self, story_id: str, layer_id: str, body: models.AnswerRequest, *, ticket: str | None = None
    ) -> models.Answer:
        """Answer a sticker, in place of an earlier answer; a quiz once."""
        found: models.Answer = self.call(
            "PUT",
            f"/v1/stories/{quote(story_id, safe='')}/answers/{quote(layer_id, safe='')}",
            headers={"Story-Ticket": ticket},
            body=body,
        )
        return found

    def withdraw_answer(self, story_id: str, layer_id: str, *, ticket: str | None = None) -> None:
        """Take one's answer back."""
        self.call(
            "DELETE",
            f"/v1/stories/{quote(story_id, safe='')}/answers/{quote(layer_id, safe='')}",
            headers={"Story-Ticket": ticket},
        )

    def cancel_story(self, story_id: str) -> None:
        """Let a draft or a processing story vanish with its upload."""
        self.call("POST", f"/v1/stories/{quote(story_id, safe='')}/cancel")

    def create_comment(
        self,
        story_id: str,
        body: models.CommentCreate,
        *,
        ticket: str | None = None,
        idempotency_key: str | None = None,
    ) -> models.Comment:
        """Comment on a story."""
        found: models.Comment = self.call(
            "POST",
            f"/v1/stories/{quote(story_id, safe='')}/comments",
            headers={"Story-Ticket": ticket, "Idempotency-Key": idempotency_key},
            body=body,
        )
        return found

    def list_comments(
        self,
        story_id: str,
        *,
        reply_to: str | None = None,
        hidden: bool | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        ticket: str | None = None,
    ) -> models.CommentPage:
        """Top comments, newest first, or the replies to one, oldest first."""
        found: models.CommentPage = self.call(
            "GET",
            f"/v1/stories/{quote(story_id, safe='')}/comments",
            query={"reply_to": reply_to, "hidden": hidden, "limit": limit, "cursor": cursor},
            headers={"Story-Ticket": ticket},
        )
        return found

    def get_counts(self, story_id: str, *, ticket: str | None = None) -> models.Counts:
        """Everything that is counted of one story."""
        found: models.Counts = self.call(
            "GET", f"/v1/stories/{quote(story_id, safe='')}/counts", headers={"Story-Ticket": ticket}
        )
        return found

    def explain_story(self, story_id: str, *, viewer: str) -> models.StoryExplanation:
        """Why a viewer sees a story or not: every rule with its outcome, for the author and admins."""
        found: models.StoryExplanation = self.call(
            "GET", f"/v1/stories/{quote(story_id, safe='')}/explain", query={"viewer": viewer}
        )
        return found

    def get_insights(self, story_id: str) -> models.Insights:
        """The figures of a story, while it lives and after it has expired."""
        found: models.Insights = self.call("GET", f"/v1/stories/{quote(story_id, safe='')}/insights")
        return found

    def publish_story(
        self, story_id: str, body: models.StoryPublish | None = None, *, wait: float | None = None
    ) -> models.Story | models.Processing | models.Scheduled:
        """Post what was uploaded: 200 when it is live, 202 while it is worked on or scheduled, 422 when refused."""
        found: models.Story | models.Processing | models.Scheduled = self.call(
            "POST", f"/v1/stories/{quote(story_id, safe='')}/publish", query={"wait": wait}, body=body
        )
        return found

    def set_reaction(self, story_id: str, body: models.ReactionRequest, *, ticket: str | None = None) -> None:
        """React to a story, in place of an earlier reaction."""
        self.call(
            "PUT", f"/v1/stories/{quote(story_id, safe='')}/reaction", headers={"Story-Ticket": ticket}, body=body
        )

    def withdraw_reaction(self, story_id: str, *, ticket: str | None = None) -> None:
        """Take one's reaction back."""
        self.call("DELETE", f"/v1/stories/{quote(story_id, safe='')}/reaction", headers={"Story-Ticket": ticket})

    def get_reactions(self, story_id: str, *, ticket: str | None = None) -> models.Reactions:
        """How many reactions of each kind a story has."""
        found: models.Reactions = self.call(
            "GET", f"/v1/stories/{quote(story_id, safe='')}/reactions", headers={"Story-Ticket": ticket}
        )
        return found

    def get_story_receipt(self, story_id: str) -> models.StoryReceipt:
        """The record that every store has erased an ended story."""
        found: models.StoryReceipt = self.call("GET", f"/v1/stories/{quote(story_id, safe='')}/receipt")
        return found

    def report_story(self, story_id: str, body: models.ReportCreate, *, ticket: str | None = None) -> None:
        """Report a story to the admins."""
        self.call(
            "POST", f"/v1/stories/{quote(story_id, safe='')}/reports", headers={"Story-Ticket": ticket}, body=body
        )

    def repost_story(
        self, story_id: str, *, ticket: str | None = None, idempotency_key: str | None = None
    ) -> models.Draft:
        """Make a draft of one's own that copies a story's media; it has no upload."""
        found: models.Draft = self.call(
            "POST",
            f"/v1/stories/{quote(story_id, safe='')}/repost",
            headers={"Story-Ticket": ticket, "Idempotency-Key": idempotency_key},
        )
        return found

    def share_story(
        self, story_id: str, *, ticket: str | None = None, idempotency_key: str | None = None
    ) -> models.Share:
        """A link to the story; counts once per viewer."""
        found: models.Share = self.call(
            "POST",
            f"/v1/stories/{quote(story_id, safe='')}/shares",
            headers={"Story-Ticket": ticket, "Idempotency-Key": idempotency_key},
        )
        return found

    def renew_upload(self, story_id: str) -> models.Upload:
        """A fresh form for a draft."""
        found: models.Upload = self.call("POST", f"/v1/stories/{quote(story_id, safe='')}/upload")
        return found

    def list_viewers(self, story_id: str, *, limit: int | None = None, cursor: str | None = None) -> models.ViewerPage:
        """Who viewed a story, newest first."""
        found: models.ViewerPage = self.call(
            "GET", f"/v1/stories/{quote(story_id, safe='')}/viewers", query={"limit": limit, "cursor": cursor}
        )
        return found

    def get_tray(self, *, limit: int | None = None, cursor: str | None = None) -> models.TrayPage:
        """The rings of the authors whom the caller follows: unseen first, then newest."""
        found: models.TrayPage = self.call("GET", "/v1/tray", query={"limit": limit, "cursor": cursor})
        return found

    def list_highlights(
        self, user_id: str, *, limit: int | None = None, cursor: str | None = None
    ) -> models.HighlightPage:
        """A user's highlights with stories that the caller may see, newest first; none across a block."""
        found: models.HighlightPage = self.call(
            "GET", f"/v1/users/{quote(user_id, safe='')}/highlights", query={"limit": limit, "cursor": cursor}
        )
        return found

    def mark_seen(self, user_id: str, body: models.SeenRequest) -> None:
        """Mark an author's stories as seen on every device, up to and including one; no view is counted."""
        self.call("PUT", f"/v1/users/{quote(user_id, safe='')}/seen", body=body)

    def get_reel(self, user_id: str, *, limit: int | None = None, cursor: str | None = None) -> models.ReelPage:
        """The stories of an author that the caller may see, oldest first."""
        found: models.ReelPage = self.call(
            "GET", f"/v1/users/{quote(user_id, safe='')}/stories", query={"limit": limit, "cursor": cursor}
        )
        return found

    def report_views(self, body: models.ViewReport) -> models.ViewReportResult:
        """Report plays of stories: answered once the accepted ones are durable, counted when they are consumed."""
        found: models.ViewReportResult = self.call("POST", "/v1/views", body=body)
        return found

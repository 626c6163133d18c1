"""One story from file to live."""

import asyncio
import os
from typing import IO, TYPE_CHECKING, Any

import httpx

from stories_client import models
from stories_client.errors import StoriesError
from stories_client.states import CountedFile, Progress, Stage, UploadState

if TYPE_CHECKING:
    from stories_client._async.client import AsyncStories

BETWEEN_S = 0.3
FIRST_ERROR = 400


class AsyncUpload:
    """Create, upload, publish, wait. ``run`` goes on where the last one stopped: after a ``temporary`` error, and in
    another process with the stored ``state``."""

    def __init__(
        self,
        stories: "AsyncStories",
        body: models.StoryCreate,
        file: IO[bytes] | None,
        on_progress: Progress | None = None,
        state: UploadState | None = None,
    ) -> None:
        self.state = state or UploadState()
        self._stories, self._body, self._file = stories, body, file
        self._on_progress = on_progress or (lambda _stage, _share: None)
        self._form: models.Upload | None = None

    async def run(self) -> models.Story:
        """Run to the end. Raises: StoriesError: something failed; of type ``media-refused`` for good."""
        try:
            if self.state.id is None:
                self._report("new", 0.0)
                draft = await self._stories.create_story(self._body, idempotency_key=self.state.key)
                self.state.id = draft["id"]
                self._form = draft["upload"]
                self.state.sent = self._form is None  # a text story has no file
            if not self.state.sent:
                await self._send(self.state.id)
            return await self._publish(self.state.id)
        except StoriesError as error:
            if error.type == "media-refused":
                self._report("refused", 1.0)
            raise

    async def cancel(self) -> None:
        """Remove what was uploaded."""
        if self.state.id is not None:
            await self._stories.cancel_story(self.state.id)
        self._report("cancelled", 1.0)

    async def _send(self, story_id: str) -> None:
        if self._file is None:
            raise ValueError("this story needs a file")
        form = self._form or await self._stories.renew_upload(story_id)
        self._form = None  # a second run takes a fresh one
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        counted: Any = CountedFile(self._file, size, lambda share: self._report("uploading", share))
        self._report("uploading", 0.0)
        try:
            sent = await self._stories.http.post(form["url"], data=form["fields"], files={"file": counted})
        except httpx.TransportError as error:
            raise StoriesError.unreachable(error) from error
        if sent.status_code >= FIRST_ERROR:
            raise StoriesError(sent.status_code, "upload-failed", "The object store refused the upload")
        self.state.sent = True

    async def _publish(self, story_id: str) -> models.Story:
        self._report("processing", 0.0)
        while True:
            answer: Any = await self._stories.publish_story(story_id, wait=10)
            if answer["state"] in {"live", "scheduled"}:
                self._report(answer["state"], 1.0)
                return await self._stories.get_my_story(story_id) if "author_id" not in answer else answer
            self._report("processing", answer.get("progress") or 0.0)
            await asyncio.sleep(BETWEEN_S)

    def _report(self, stage: Stage, share: float) -> None:
        self._on_progress(stage, share)

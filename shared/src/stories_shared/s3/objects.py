"""Objects in S3 through the ``minio`` SDK. I/O runs in threads; signing needs none.

Works with any S3; tested on MinIO and SeaweedFS. Every connection failure is ``Unavailable("s3")``.
"""

import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from minio import Minio
from minio.commonconfig import CopySource
from minio.credentials.providers import Provider
from minio.datatypes import PostPolicy
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from stories_shared.errors import S3, Unavailable
from stories_shared.runtime.settings import ObjectStoreSettings
from stories_shared.s3.cors import ensure_cors
from stories_shared.s3.credentials import CachedProvider, RenewingProvider, discovered, static
from stories_shared.s3.executor import (
    CALLS_AT_ONCE,
    MISSING,
    READ_S,
    TRANSFER_READ_S,
    TRANSFERS_AT_ONCE,
    Observe,
    S3Executor,
    none_if_missing,
    parse_endpoint,
    pool_manager,
)
from stories_shared.s3.lifecycle import ensure_rules
from stories_shared.s3.sigv4 import PresignedGetSigner
from stories_shared.tls import client_context

REGION = "us-east-1"  # the default: a region is always set, so that signing never asks the store for it
MAX_SIGNATURE_S = 7 * 24 * 3600
LIST_PAGE_SIZE = 1000
SIGNED_FOR = timedelta(minutes=15)  # of our own PUTs, which start at once


@dataclass(frozen=True, slots=True)
class Stat:
    """The metadata of an object. ``etag`` without quotes."""

    key: str
    size: int
    etag: str
    content_type: str | None


class TooLarge(Exception):
    """An object is larger than the reader allows."""


class Objects:
    """One bucket, with the internal ``endpoint`` and the ``public_endpoint`` of clients, which is signed into URLs.

    Endpoints are ``host:port``, or URLs whose scheme overrides ``secure``. Without keys, credentials come from the
    platform. ``region`` is signed into every request and URL; ``ca_bundle`` is a PEM file of authorities beside the
    system's. ``observe`` gets operation, seconds and outcome of every call.
    """

    def __init__(  # noqa: PLR0913, RUF100
        self,
        endpoint: str,
        public_endpoint: str | None,
        access_key: str | None,
        secret_key: str | None,
        bucket: str,
        secure: bool = False,
        observe: Observe = lambda operation, seconds, outcome: None,  # noqa: ARG005
        *,
        region: str = REGION,
        ca_bundle: str | None = None,
    ) -> None:
        host, tls = parse_endpoint(endpoint, secure)
        public_host, public_tls = parse_endpoint(public_endpoint or endpoint, secure)
        trust = client_context(ca_bundle)
        calling = pool_manager(READ_S, CALLS_AT_ONCE, retried=None, trust=trust)
        account: Provider
        signing: Provider
        if access_key and secret_key:
            account = signing = static(access_key, secret_key)
        else:
            account = RenewingProvider(discovered(pool_manager(READ_S, 1, retried=None, trust=trust)))
            signing = CachedProvider(account)

        def client(host: str, over_tls: bool, credentials: Provider, pool: urllib3.PoolManager = calling) -> Minio:
            return Minio(host, secure=over_tls, credentials=credentials, region=region, http_client=pool)

        self.pool = pool_manager(TRANSFER_READ_S, TRANSFERS_AT_ONCE, retried={"GET"}, trust=trust)
        self.bucket = bucket
        self.calls = client(host, tls, account)
        self.transfers = client(host, tls, account, self.pool)
        self.public = client(public_host, public_tls, signing)
        anonymous = client(public_host, public_tls, static("nobody", "nothing"))
        base = anonymous.get_presigned_url("GET", bucket, "object").partition("object?")[0]
        self.public_url = base.rstrip("/")
        self.reads = PresignedGetSigner(base, signing, region)
        self.threads = S3Executor(observe)

    @classmethod
    def of(cls, settings: ObjectStoreSettings, ca_bundle: str | None, observe: Observe = lambda *_: None) -> "Objects":
        """The bucket that the settings name."""
        given = settings.s3_credentials == "static"
        return cls(
            settings.s3_endpoint,
            settings.s3_public_endpoint,
            settings.s3_access_key.get_secret_value() if given and settings.s3_access_key else None,
            settings.s3_secret_key.get_secret_value() if given and settings.s3_secret_key else None,
            settings.s3_bucket,
            settings.s3_secure,
            observe,
            region=settings.s3_region,
            ca_bundle=ca_bundle,
        )

    def close(self) -> None:
        """Close threads and connections without waiting."""
        self.threads.close()

    # Signing: pure CPU

    def presign_get(self, key: str, seconds: int, at: datetime, **response_headers: str) -> str:
        """A URL that reads the object for 1 to 604,800 whole seconds from ``at``. Else raises ValueError.

        ``cache_control="private, max-age=60"`` and the like are signed and override response headers.
        """
        if not 1 <= seconds <= MAX_SIGNATURE_S:
            raise ValueError(f"{seconds} s is not between 1 s and 7 days")
        overrides = {f"response-{name.replace('_', '-')}": value for name, value in response_headers.items()}
        return self.reads.sign(key, int(seconds), overrides, at)

    def presign_post(self, key: str, content_type: str, size: int, until: datetime) -> tuple[str, dict[str, str]]:
        """URL and form fields to upload exactly this key, type and size until a time; the file is the last field."""
        policy = PostPolicy(self.bucket, until)
        policy.add_equals_condition("key", key)
        policy.add_equals_condition("Content-Type", content_type)
        policy.add_content_length_range_condition(size, size)
        fields = self.public.presigned_post_policy(policy)
        return self.public_url, {"key": key, "Content-Type": content_type, **fields}

    # One object

    async def put_file(self, key: str, path: Path, content_type: str) -> str:
        """Upload a file in one PUT, which is atomic. Returns the ETag."""

        def put() -> str:
            # Signed here and streamed from the file: the SDK's put_object holds the whole part in memory.
            url = self.transfers.get_presigned_url("PUT", self.bucket, key, SIGNED_FOR)
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                headers = {"Content-Type": content_type, "Content-Length": str(size)}
                answer = self.pool.urlopen("PUT", url, body=file, headers=headers)
            if answer.status != 200:
                raise Unavailable(S3, f"{answer.status} to a PUT")
            return answer.headers.get("ETag", "").strip('"')

        return await self.threads.transfer("put", put)

    async def get_file(self, key: str, path: Path, max_bytes: int) -> Stat | None:
        """Download an object into a file. None if there is none; raises TooLarge beyond ``max_bytes``."""

        def get() -> Stat:
            answer = self.transfers.get_object(self.bucket, key)
            try:
                found = stat_of(key, answer.headers)
                if found.size > max_bytes:
                    raise TooLarge(f"{found.size} bytes, at most {max_bytes} allowed")
                with path.open("wb") as file:
                    shutil.copyfileobj(answer, file, 1024 * 1024)
                if path.stat().st_size != found.size:
                    raise Unavailable(S3, "incomplete object")
                return found
            finally:
                answer.close()
                answer.release_conn()

        return await self.threads.transfer("get", lambda: none_if_missing(get))

    async def stat(self, key: str) -> Stat | None:
        """The metadata of an object; None if there is none."""

        def head() -> Stat:
            found = self.calls.stat_object(self.bucket, key)
            etag = (found.etag or "").strip('"')
            return Stat(key, found.size or 0, etag, found.content_type)

        return await self.threads.call("stat", lambda: none_if_missing(head))

    async def copy(self, source: str, target: str) -> bool:
        """Copy an object within the bucket, with its content type; False if there is none."""

        def copy() -> bool:
            self.transfers.copy_object(self.bucket, target, CopySource(self.bucket, source))
            return True

        return await self.threads.transfer("copy", lambda: none_if_missing(copy)) or False

    # Many objects

    async def remove(self, *keys: str) -> None:
        """Delete objects; missing ones are ignored."""
        for batch in batches(keys):
            await self.threads.call("remove", partial(self.remove_all, batch))

    async def walk(self, prefix: str) -> AsyncIterator[Stat]:
        """Every object under a prefix, a page at a time. Content types are not listed."""
        found = self.calls.list_objects(self.bucket, prefix, recursive=True)
        while page := await self.threads.call("list", lambda: list(itertools.islice(found, LIST_PAGE_SIZE))):
            for item in page:
                yield as_listed(item)

    async def page(self, prefix: str, after: str, limit: int = LIST_PAGE_SIZE) -> list[Stat]:
        """The first objects under a prefix after a key, ordered by key. Content types are not listed."""

        def listed() -> list[Stat]:
            found = self.calls.list_objects(self.bucket, prefix, recursive=True, start_after=after or None)
            return [as_listed(item) for item in itertools.islice(found, limit)]

        return await self.threads.call("list", listed)

    async def remove_prefix(self, prefix: str) -> int:
        """Delete every object under a non-empty prefix, and return their number."""
        if not prefix:
            raise ValueError("an empty prefix is the whole bucket")
        keys = [item.key async for item in self.walk(prefix)]
        await self.remove(*keys)
        return len(keys)

    async def abort_uploads(self) -> int:
        """Abort unfinished multipart uploads, whose parts no listing shows. Returns their number."""

        def abort() -> int:
            begun = self.calls._list_multipart_uploads(self.bucket).uploads  # noqa: SLF001  (the SDK has no public call)
            for item in begun:
                none_if_missing(
                    partial(self.calls._abort_multipart_upload, self.bucket, item.object_name, str(item.upload_id))  # noqa: SLF001
                )
            return len(begun)

        return await self.threads.call("abort", abort)

    # The bucket

    async def ensure_bucket(self) -> None:
        """Create the bucket if it is missing. Raises ValueError if it is versioned or public."""

        def ensure() -> None:
            if not self.calls.bucket_exists(self.bucket):
                try:
                    self.calls.make_bucket(self.bucket)
                except S3Error as error:
                    if error.code not in {"BucketAlreadyOwnedByYou", "BucketAlreadyExists"}:
                        raise
            self.check_bucket()

        await self.threads.call("ensure", ensure)

    async def ensure_backstop(self, days: Mapping[str, int]) -> None:
        """Let objects below each prefix expire so many days after their upload."""
        await self.threads.call("ensure", lambda: ensure_rules(self.calls, self.bucket, days))

    async def ensure_cors(self, origins: Sequence[str]) -> None:
        """Let browsers of these origins upload forms and read objects."""
        await self.threads.call("ensure", lambda: ensure_cors(self.calls, self.bucket, origins))

    async def ready(self) -> bool:
        """Whether the bucket exists. Raises Unavailable if the store does not answer."""
        return await self.threads.call("ready", lambda: self.calls.bucket_exists(self.bucket))

    def check_bucket(self) -> None:
        status = self.calls.get_bucket_versioning(self.bucket).status
        if status not in {None, "", "Off"}:
            raise ValueError(f"S3_BUCKET: {self.bucket} is versioned, so what is deleted would stay")
        try:
            policy = self.calls.get_bucket_policy(self.bucket)
        except S3Error as error:
            if error.code != "NoSuchBucketPolicy":
                raise
        else:
            if '"*"' in policy and "Allow" in policy:
                raise ValueError(f"S3_BUCKET: {self.bucket} has a policy that lets anybody in")

    def remove_all(self, keys: list[str]) -> None:
        if len(keys) == 1:
            none_if_missing(lambda: self.calls.remove_object(self.bucket, keys[0]))
            return
        for error in self.calls.remove_objects(self.bucket, (DeleteObject(key) for key in keys)):
            if error.code not in MISSING:
                raise Unavailable(S3, f"{error.code}: {error.message}")


def as_listed(found: Any) -> Stat:
    return Stat(found.object_name or "", found.size or 0, (found.etag or "").strip('"'), None)


def stat_of(key: str, headers: Any) -> Stat:
    size, etag = int(headers.get("Content-Length", "-1")), headers.get("ETag", "").strip('"')
    return Stat(key, size, etag, headers.get("Content-Type"))


def batches(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while batch := list(itertools.islice(remaining, LIST_PAGE_SIZE)):
        yield batch

"""Presigned URLs, beside the hashes that they need at least."""

import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from functools import partial

from minio.credentials.providers import StaticProvider
from stories_shared.clock import system_now
from stories_shared.s3.sigv4 import PresignedGetSigner

from ..bench import Bench
from ..registry import figure
from ..results import Cost, Result, Sample, compare

PAGE = 20


async def timed(pages: int, operation: Callable[[], object]) -> Sample:
    """Run an operation for some pages."""
    cost = Cost(time.process_time)
    for _ in range(pages):
        operation()
    return cost.sample(pages)


@figure("presign")
async def presign(bench: Bench) -> Sequence[Result]:
    """A page of twenty presigned URLs, beside one SHA-256 and one HMAC for each."""
    signer = PresignedGetSigner("http://127.0.0.1:9000/stories/", StaticProvider("access", "secret"), "us-east-1")
    keys = [f"stories/0190a5b8-0000-7000-8000-{number:012}/video-1.mp4" for number in range(PAGE)]
    overrides, at = {"response-cache-control": "private, max-age=3600"}, system_now()
    text, secret = b"x" * 430, b"k" * 32

    def signed() -> None:
        for key in keys:
            signer.sign(key, 3600, overrides, at)

    def hashed() -> None:
        for _ in keys:
            digest = hashlib.sha256(text).hexdigest()
            _ = hmac.digest(secret, digest.encode(), "sha256").hex()

    pages = bench.plan.scaled(5_000, 200)
    return [
        await compare(
            "presign-20", "pages/s", partial(timed, pages, signed), bench.plan, peer="one sha256 and one hmac each",
            limit=partial(timed, pages, hashed), at_least=0.5,
        )
    ]  # fmt: skip

"""HMAC-SHA-256 (RFC 2104) of many messages under one key, whose two blocks are hashed once.

`hmac.digest` sets OpenSSL's algorithm up anew for each message: 4.9 microseconds instead of 1.4.
"""

import hashlib
from collections.abc import Callable
from hmac import trans_5C, trans_36

BLOCK = 64


def hmac_sha256(key: bytes) -> Callable[[bytes], bytes]:
    """What returns the HMAC of a message under this key."""
    if len(key) > BLOCK:
        key = hashlib.sha256(key).digest()
    block = key.ljust(BLOCK, b"\0")
    new_inner, new_outer = (
        hashlib.sha256(block.translate(trans_36)).copy,
        hashlib.sha256(block.translate(trans_5C)).copy,
    )

    def digest(message: bytes) -> bytes:
        inner, outer = new_inner(), new_outer()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()

    return digest

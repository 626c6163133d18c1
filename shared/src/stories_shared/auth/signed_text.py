"""Signed strings: bytes with an HMAC-SHA-256 under a key that has an id and can be rotated.

The first key signs, all keys verify. To rotate, put a new key in front and remove the old one when nothing signed with
it is valid any more. Every purpose derives its own keys, so a cursor can never pass for a ticket.
"""

import binascii
import hashlib
import hmac
from collections.abc import Sequence

from stories_shared.hmac_sha256 import hmac_sha256

MAX_SIGNED_CHARACTERS = 2048
URL_SAFE, STANDARD = bytes.maketrans(b"+/", b"-_"), bytes.maketrans(b"-_", b"+/")
NOTHING = hashlib.sha256(b"").digest()
Key = tuple[str, bytes]
"""An id without dots, and a secret."""


class BadSignature(Exception):
    """Not a signed string (``malformed``), or the signature is wrong (``forged``)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def derive(secret: bytes, purpose: str) -> bytes:
    """The key for a purpose: HKDF (RFC 5869) with SHA-256, one block."""
    extracted = hmac.digest(b"stories", secret, "sha256")
    return hmac.digest(extracted, purpose.encode() + b"\x01", "sha256")


class Signer:
    """Signs and verifies bytes for one purpose. The text is ``<key id>.<payload>.<tag>``, safe in URLs and headers."""

    def __init__(self, keys: Sequence[Key], purpose: str) -> None:
        """Raises ValueError without a key, or for an id that is not allowed in a header."""
        if not keys:
            raise ValueError("TICKET_KEYS holds no key")
        for key_id, secret in keys:
            if not (key_id.isascii() and key_id.replace("-", "").replace("_", "").isalnum() and secret):
                raise ValueError("TICKET_KEYS must be id:secret,… with ids of letters, digits, - and _")
        self.macs = {key_id: hmac_sha256(derive(secret, purpose)) for key_id, secret in keys}
        self.first = keys[0][0]
        self.first_mac, self.head = self.macs[self.first], f"{self.first}.".encode()

    def sign(self, payload: bytes, bound_to: bytes = b"") -> str:
        """The signed payload, which is readable; ``bound_to`` must be the same on verification."""
        return self.sign_as_bytes(payload, hashlib.sha256(bound_to).digest() if bound_to else NOTHING).decode()

    def sign_as_bytes(self, payload: bytes, bound: bytes = NOTHING) -> bytes:
        """The same as ASCII bytes, bound to what has the digest ``bound``."""
        named = self.head + base64url(payload)
        # The MAC is of the encoded text, so that no other encoding of the same bytes is accepted.
        return named + b"." + base64url(self.first_mac(bound + named))

    def verify(self, signed: str, bound_to: bytes = b"") -> bytes:
        """The payload of a signed string. Raises BadSignature."""
        if len(signed) > MAX_SIGNED_CHARACTERS or signed.count(".") != 2 or not signed.isascii():
            raise BadSignature("malformed")
        named, _, found = signed.encode().rpartition(b".")
        key_id, _, payload = named.partition(b".")
        mac = self.macs.get(key_id.decode())
        bound = hashlib.sha256(bound_to).digest() if bound_to else NOTHING
        if mac is None or not hmac.compare_digest(found, base64url(mac(bound + named))):
            raise BadSignature("forged")
        return from_base64url(payload)


def base64url(payload: bytes) -> bytes:
    return binascii.b2a_base64(payload, newline=False).translate(URL_SAFE).rstrip(b"=")


def from_base64url(text: bytes) -> bytes:
    try:
        return binascii.a2b_base64(text.translate(STANDARD) + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise BadSignature("malformed") from error

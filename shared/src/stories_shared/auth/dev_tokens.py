"""Bearer tokens signed with a local key, for development without an identity provider. No service imports this."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

A_DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class TokenIssuer:
    """An issuer whose tokens a stack accepts: the settings `AUTH_*`, and the private key of `AUTH_JWKS`.

    ``key_id`` is the `kid` of the public key in the key set.
    """

    key: Ed25519PrivateKey
    key_id: str
    issuer: str
    audience: str
    claim: str = "sub"

    def token(
        self, user: str, *, roles: Sequence[str] = (), country: str | None = None, seconds: float = A_DAY_S
    ) -> str:
        """A token for the user that expires `seconds` from now."""
        now = time.time()
        claims: dict[str, Any] = {
            self.claim: user,
            "iss": self.issuer,
            "aud": self.audience,
            "iat": int(now),
            "exp": int(now + seconds),
        }
        if roles:
            claims["roles"] = list(roles)
        if country:
            claims["country"] = country
        return jwt.encode(claims, self.key, algorithm="EdDSA", headers={"kid": self.key_id})


def read_key(pem: bytes) -> Ed25519PrivateKey:
    """The private key. Raises ValueError if it is not an Ed25519 key."""
    key = load_pem_private_key(pem, password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 key")  # noqa: TRY004  (a wrong file, not a wrong call)
    return key


def key_id(key: Ed25519PrivateKey, key_set: bytes) -> str:
    """The id of the public key in a key set (JWKS). Raises ValueError if the key set does not contain it."""
    public = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)["x"]
    for each in json.loads(key_set).get("keys", []):
        if each.get("x") == public and each.get("kid"):
            return str(each["kid"])
    raise ValueError("AUTH_JWKS does not contain the public key of the signing key")

"""The secrets of one stack: generated once, kept in its data folder, readable only by their owner."""

import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .data_dir import write_private
from .s3 import S3Keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from stories_shared.auth.dev_tokens import TokenIssuer

ISSUER = "https://stories.localhost"
AUDIENCE = "stories"
TOKEN_SECONDS = 24 * 3600


class StackKeys:
    """Signing key, ticket keys and S3 keys of the stack in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def jwks(self) -> Path:
        """The public key set, for `AUTH_JWKS`."""
        return self._folder / "jwks.json"

    def made(self) -> bool:
        """Whether the keys exist."""
        return self._private.exists() and self._secrets.exists()

    def make(self) -> None:
        """Generate missing keys."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.made() and self.jwks.exists():
            return
        # Imported here because a stack that has its keys starts without them.
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
        from jwt.algorithms import OKPAlgorithm

        if not self._private.exists():
            pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            write_private(self._private, pem.decode())
        if not self._secrets.exists():
            made = {
                "kid": secrets.token_hex(4),
                "ticket_keys": f"{secrets.token_hex(2)}:{secrets.token_hex(32)}",
                "s3_access_key": secrets.token_hex(8),
                "s3_secret_key": secrets.token_hex(20),
            }
            write_private(self._secrets, json.dumps(made))
        public = json.loads(OKPAlgorithm.to_jwk(self._key().public_key()))
        key = {**public, "kid": self._read()["kid"], "alg": "EdDSA", "use": "sig"}
        write_private(self.jwks, json.dumps({"keys": [key]}))

    def s3(self) -> S3Keys:
        """The keys of the object store."""
        made = self._read()
        return S3Keys(made["s3_access_key"], made["s3_secret_key"])

    def settings(self) -> dict[str, str]:
        """The settings of token verification, ticket signing and S3, named as in the environment of a service."""
        made = self._read()
        return {
            "AUTH_JWKS": str(self.jwks),
            "AUTH_ISSUER": ISSUER,
            "AUTH_AUDIENCE": AUDIENCE,
            "TICKET_KEYS": made["ticket_keys"],
            "S3_ACCESS_KEY": made["s3_access_key"],
            "S3_SECRET_KEY": made["s3_secret_key"],
        }

    def token(
        self,
        user: str,
        *,
        roles: Sequence[str] = (),
        country: str | None = None,
        seconds: float = TOKEN_SECONDS,
        settings: Mapping[str, str] | None = None,
    ) -> str:
        """A bearer token for the user, valid on this stack only, that expires `seconds` from now."""
        return self.issuer(settings).token(user, roles=roles, country=country, seconds=seconds)

    def issuer(self, settings: Mapping[str, str] | None = None) -> "TokenIssuer":
        """The issuer of this stack's tokens; `settings` (`AUTH_…`) may name another issuer, audience or claim."""
        from stories_shared.auth.dev_tokens import TokenIssuer

        given = self.settings() | dict(settings or {})
        claim = given.get("AUTH_USER_CLAIM") or "sub"
        return TokenIssuer(self._key(), self._read()["kid"], given["AUTH_ISSUER"], given["AUTH_AUDIENCE"], claim)

    @property
    def _private(self) -> Path:
        return self._folder / "signing-key.pem"

    @property
    def _secrets(self) -> Path:
        return self._folder / "secrets.json"

    def _read(self) -> dict[str, str]:
        return dict(json.loads(self._secrets.read_text()))

    def _key(self) -> "Ed25519PrivateKey":
        from stories_shared.auth.dev_tokens import read_key

        return read_key(self._private.read_bytes())

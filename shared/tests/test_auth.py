"""Bearer tokens: what is believed, and everything that is not."""

import asyncio
import base64
import hmac
import json
import re
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from stories_shared.auth import jwks as key_sets
from stories_shared.auth.tokens import Authenticator, Caller, Unauthenticated
from stories_shared.errors import Unavailable
from stories_shared.testing import FakeClock

NOW = datetime(2026, 11, 22, tzinfo=UTC)
ISSUER, AUDIENCE = "https://app.example", "stories"


class Signer:
    """A private key of the host application."""

    def __init__(self, algorithm: str, key_id: str | None = None, bits: int = 2048) -> None:
        self.algorithm, self.id = algorithm, key_id or algorithm.lower()
        self.private = {
            "RS256": lambda: rsa.generate_private_key(65537, bits),
            "PS256": lambda: rsa.generate_private_key(65537, bits),
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }[algorithm]()

    def jwk(self, **changes) -> dict:
        kind = jwt.get_algorithm_by_name(self.algorithm)
        made = kind.to_jwk(self.private.public_key(), as_dict=True)
        made.pop("key_ops", None)
        return made | {"kid": self.id, "alg": self.algorithm, "use": "sig"} | changes

    def token(self, headers=None, algorithm=None, **changes) -> str:
        claims = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.timestamp() + 600} | changes
        claims = {name: value for name, value in claims.items() if value is not None}
        head = {"kid": self.id} | (headers or {})
        return jwt.encode(claims, self.private, algorithm or self.algorithm, headers=head)


SIGNERS = {algorithm: Signer(algorithm) for algorithm in ("RS256", "PS256", "ES256", "EdDSA")}
ED = SIGNERS["EdDSA"]


@pytest.fixture
def clock():
    return FakeClock(NOW)


@pytest.fixture
def jwks(tmp_path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [signer.jwk() for signer in SIGNERS.values()]}))
    return path


def by_keys_of(location: Path | str, clock: FakeClock, user_claim: str = "sub") -> Authenticator:
    return Authenticator(key_sets.keys_from(str(location), clock), ISSUER, AUDIENCE, user_claim, clock)


@pytest.fixture
def authenticator(jwks, clock):
    return by_keys_of(jwks, clock)


async def refused(authenticator: Authenticator, token: str | None, reason: str | None = None) -> None:
    with pytest.raises(Unauthenticated, match=reason and re.escape(reason)):
        await authenticator.caller(token if token is None else f"Bearer {token}")


@pytest.mark.parametrize("algorithm", SIGNERS)
async def test_each_of_the_four_algorithms_is_accepted(authenticator, algorithm):
    token = SIGNERS[algorithm].token(country="se", roles=["admin", "editor"])
    caller = await authenticator.caller(f"Bearer {token}")
    assert caller == Caller("ann", "SE", frozenset({"admin", "editor"}))
    assert caller.is_admin
    assert await authenticator.caller(f"bearer  {token} ") is caller  # remembered


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer a.b", "Bearer a.b.c.d", "Bearer a b", "Bearer é.a.b"],
)
async def test_malformed_authorization_header_is_rejected(authenticator, header):
    with pytest.raises(Unauthenticated):
        await authenticator.caller(header)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": None},
        {"exp": "2026"},
        {"exp": True},
        {"exp": NOW.timestamp() - 31},
        {"nbf": NOW.timestamp() + 31},
        {"nbf": "now"},
        {"iss": None},
        {"iss": "https://other.example"},
        {"iss": [ISSUER]},
        {"aud": None},
        {"aud": "other"},
        {"aud": ["other"]},
        {"aud": {"stories": 1}},
        {"sub": None},
        {"sub": ""},
        {"sub": "-ann"},
        {"sub": "a" * 129},
        {"sub": "ann\n"},
        {"sub": "ann/bob"},
        {"sub": "änn"},
    ],
)
async def test_wrong_claims_are_rejected(authenticator, changes):
    odd = isinstance(changes.get("iss"), list)  # what no library would write
    await refused(authenticator, raw_token(changes) if odd else ED.token(**changes))


def raw_token(changes: dict, payload: bytes | None = None, headers=None) -> str:
    """A token whose claims no library would write."""
    claims = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.timestamp() + 600} | changes
    body = json.dumps(claims).encode() if payload is None else payload
    return jwt.PyJWS(algorithms=["EdDSA"]).encode(body, ED.private, "EdDSA", headers={"kid": ED.id} | (headers or {}))


@pytest.mark.parametrize(
    "payload", [b"", b"[]", b"null", b"nonsense", b'{"sub": "ann"', b"\xff", b"[" * 5000, b"1" * 5000]
)
async def test_claims_that_are_not_an_object_are_rejected(authenticator, payload):
    await refused(authenticator, raw_token({}, payload))


async def test_invalid_numbers_in_claims_are_rejected(authenticator):
    for exp in (b"1e400", b"-1e400", b"1" * 400, b"NaN", b"-0"):
        claims = b'{"sub":"ann","iss":"%s","aud":"stories","exp":%s}' % (ISSUER.encode(), exp)
        await refused(authenticator, raw_token({}, claims))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW.timestamp() - 29},
        {"nbf": NOW.timestamp() + 29},
        {"aud": ["other", "stories"]},
        {"sub": "a@b|c+d~e.f_g:h-i"},
    ],
)
async def test_leeway_is_30_seconds_and_audience_lists_are_accepted(authenticator, changes):
    assert await authenticator.caller("Bearer " + ED.token(**changes))


@pytest.mark.parametrize(
    ("claim", "country"),
    [("SE", "SE"), ("se", "SE"), ("SWE", None), ("S1", None), (7, None), ("", None), ("ß", None), (["SE"], None)],
)
async def test_a_country_is_two_letters_or_none(authenticator, claim, country):
    assert (await authenticator.caller("Bearer " + ED.token(country=claim))).country == country


@pytest.mark.parametrize("roles", ["admin", {"admin": True}, 7, [["admin"]], [7]])
async def test_roles_are_a_list_of_strings_or_empty(authenticator, roles):
    assert not (await authenticator.caller("Bearer " + ED.token(roles=roles))).is_admin


async def test_user_claim_is_configurable(jwks, clock):
    authenticator = by_keys_of(jwks, clock, "uid")
    assert (await authenticator.caller("Bearer " + ED.token(uid="bob"))).user_id == "bob"
    await refused(authenticator, ED.token())


async def test_token_over_8_kib_is_rejected(authenticator):
    await refused(authenticator, ED.token(more="a" * 8192), "too long")
    assert await authenticator.caller("Bearer " + ED.token(more="a" * 5000))


async def test_cached_token_expires_at_its_exp(authenticator, clock):
    token = ED.token()
    await authenticator.caller(f"Bearer {token}")
    clock.forward(seconds=629)
    await authenticator.caller(f"Bearer {token}")
    clock.forward(seconds=1)
    await refused(authenticator, token, "expired")


async def test_any_changed_character_of_a_token_is_rejected(authenticator):
    token = ED.token()
    await authenticator.caller(f"Bearer {token}")
    for location, character in enumerate(token[:-1]):  # the last one has bits that mean nothing
        other = "A" if character != "A" else "B"
        await refused(authenticator, token[:location] + other + token[location + 1 :])


# RFC 8725: one algorithm per key, and no keys from the token itself


async def test_algorithm_other_than_the_keys_own_is_rejected(authenticator):
    rs = SIGNERS["RS256"]
    await refused(authenticator, rs.token(algorithm="PS256"), "no such key")
    await refused(authenticator, rs.token(algorithm="RS512"), "algorithm")


async def test_none_and_symmetric_algorithms_are_rejected(authenticator, jwks):
    claims = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.timestamp() + 600}
    await refused(authenticator, jwt.encode(claims, None, "none") + "AA", "algorithm")
    body = ED.token().split(".")[1]
    for secret in (jwks.read_bytes(), SIGNERS["RS256"].jwk()["n"].encode()):
        header = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "rs256"}).encode()).rstrip(b"=").decode()
        signed = jwt.get_algorithm_by_name("HS256").sign(f"{header}.{body}".encode(), secret)
        forged = f"{header}.{body}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"
        await refused(authenticator, forged, "algorithm")


async def test_keys_embedded_in_a_token_are_ignored(authenticator):
    stranger = Signer("EdDSA", "eddsa")
    for headers in ({"jwk": stranger.jwk()}, {"jku": "https://evil.example/"}, {"x5u": "https://evil.example/"}):
        await refused(authenticator, stranger.token(headers), "signature")
        assert await authenticator.caller("Bearer " + ED.token(headers))


async def test_public_key_is_never_used_as_an_hmac_secret(authenticator):
    body = ED.token().split(".")[1]
    for signer in SIGNERS.values():
        public = signer.private.public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        secrets = [
            *(pem, pem.strip(), public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)),
            *(json.dumps(signer.jwk()).encode(), signer.jwk().get("x", "").encode(), b""),
        ]
        for secret in secrets:
            for algorithm in ("HS256", "HS384", "HS512"):
                head = part({"alg": algorithm, "kid": signer.id})
                digest = hmac.new(secret, f"{head}.{body}".encode(), algorithm.replace("HS", "sha")).digest()
                await refused(authenticator, f"{head}.{body}.{part(digest)}", "algorithm")


@pytest.mark.parametrize(
    "algorithm",
    ["none", "None", "NONE", "nOnE", "", "eddsa", "EDDSA", " EdDSA", "EdDSA\0", "Ed25519", "ES256K", None, 7],
)
async def test_misspelled_algorithm_is_rejected(authenticator, algorithm):
    _, body, signature = ED.token().split(".")
    for signed in (signature, "AA"):
        await refused(authenticator, f"{part({'alg': algorithm, 'kid': ED.id})}.{body}.{signed}", "algorithm")


@pytest.mark.parametrize("size", [0, 1, 32, 63, 64, 65, 72, 256])
async def test_blank_signature_is_rejected(authenticator, size):
    """All zeros pass where (r, s) = (0, 0) is not checked (CVE-2022-21449)."""
    for signer in SIGNERS.values():
        head, body, _ = signer.token().split(".")
        for filling in (b"\0", b"\xff"):
            await refused(authenticator, f"{head}.{body}.{part(filling * size) or 'A'}", None)


async def test_ecdsa_signature_in_der_encoding_is_rejected(authenticator):
    es = SIGNERS["ES256"]
    head, body, _ = es.token().split(".")
    der = es.private.sign(f"{head}.{body}".encode(), ec.ECDSA(hashes.SHA256()))
    await refused(authenticator, f"{head}.{body}.{part(der)}", "signature")


@pytest.mark.parametrize(
    "key_id",
    [
        "",
        "other",
        "../../../../dev/null",
        "/dev/null",
        "eddsa\0",
        "EDDSA",
        " eddsa",
        "' OR '1'='1",
        "|whoami",
        "é",
        "k" * 2000,
    ],
)
async def test_key_id_is_only_a_name(authenticator, key_id):
    await refused(authenticator, ED.token({"kid": key_id}), "no such key")


@pytest.mark.parametrize("key_id", [None, 7, [], {}, True])
async def test_key_id_that_is_not_a_string_is_rejected(authenticator, key_id):
    header = {"alg": "EdDSA", "kid": key_id}
    _, body, signature = Signer("EdDSA", "eddsa").token().split(".")
    await refused(authenticator, f"{part(header)}.{body}.{signature}")


@pytest.mark.parametrize("name", ["jku", "x5u", "x5c", "x5t", "x5t#S256", "jwk"])
async def test_key_urls_in_a_header_are_never_fetched(authenticator, name, issuer):
    stranger = Signer("EdDSA", "eddsa")
    issuer.keys = [stranger.jwk()]
    value = {"jwk": stranger.jwk(), "x5c": ["AAAA"]}.get(name, issuer.url)
    await refused(authenticator, stranger.token({name: value}), "signature")
    assert issuer.requests == 0


@pytest.mark.parametrize("claim", ["sub", "exp", "iss", "aud", "roles"])
async def test_duplicate_claim_is_rejected(authenticator, claim):
    """Two readers would not agree which one counts."""
    once = {"sub": '"ann"', "iss": f'"{ISSUER}"', "aud": '"stories"', "exp": str(NOW.timestamp() + 600), "roles": "[]"}
    twice = [*once.items(), (claim, once[claim])]
    assert await authenticator.caller("Bearer " + raw_token({}, written(once.items())))
    await refused(authenticator, raw_token({}, written(twice)), "claims")


async def test_duplicate_header_member_is_rejected(authenticator):
    _, body, signature = ED.token().split(".")
    for header in (b'{"alg":"EdDSA","alg":"none","kid":"eddsa"}', b'{"alg":"none","alg":"EdDSA","kid":"eddsa"}'):
        await refused(authenticator, f"{part(header)}.{body}.{signature}", "header")


async def test_nested_token_is_rejected(authenticator):
    inner = ED.token()
    await refused(authenticator, raw_token({}, inner.encode(), {"cty": "JWT"}), "claims")
    await refused(authenticator, raw_token({}, json.dumps(inner).encode()), "must be an object")
    encrypted = ".".join([part({"alg": "dir", "enc": "A256GCM"}), "", *(part(b"x" * 16) for _ in range(3))])
    await refused(authenticator, encrypted, "not a bearer token")


@pytest.mark.parametrize("name", ["exp", "iss", "aud", "sub"])
async def test_required_claims_must_not_be_missing_or_null(authenticator, name):
    claims = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.timestamp() + 600}
    for changed in ({each: value for each, value in claims.items() if each != name}, claims | {name: None}):
        await refused(authenticator, raw_token({}, json.dumps(changed).encode()))


@pytest.mark.parametrize("seconds", [29.5, 30, 30.5, 3600])
async def test_leeway_is_exactly_30_seconds(authenticator, seconds):
    over, early = ED.token(exp=NOW.timestamp() - seconds), ED.token(nbf=NOW.timestamp() + seconds)
    if seconds < 30:
        assert await authenticator.caller(f"Bearer {over}")
        assert await authenticator.caller(f"Bearer {early}")
        return
    await refused(authenticator, over, "expired")
    if seconds > 30:
        await refused(authenticator, early, "not valid yet")


@pytest.mark.parametrize("blown_up", ["header", "claims", "signature"])
async def test_oversized_tokens_are_rejected_before_parsing(authenticator, blown_up):
    parts = dict(zip(("header", "claims", "signature"), ED.token().split("."), strict=True))
    parts[blown_up] += "A" * 10_000_000
    began = time.perf_counter()
    await refused(authenticator, ".".join(parts.values()), "too long")
    assert time.perf_counter() - began < 2


async def test_deeply_nested_token_is_rejected_quickly(authenticator):
    deep = b'{"a":' * 1000 + b"1" + b"}" * 1000
    many = json.dumps({f"claim{number}": number for number in range(300)}).encode()
    for payload in (deep, many):
        began = time.perf_counter()
        await refused(authenticator, raw_token({}, payload))
        assert time.perf_counter() - began < 2


def part(content) -> str:
    """A part of a token: bytes, or what becomes JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def written(members) -> bytes:
    """An object as its members are given, a name twice too."""
    inner = ",".join(f'"{name}":{value}' for name, value in members)
    return b"{" + inner.encode() + b"}"


@pytest.mark.parametrize(
    "headers", [{"crit": ["exp"]}, {"b64": False, "crit": ["b64"]}, {"typ": "dpop+jwt"}, {"typ": 7}, {"kid": "other"}]
)
async def test_unsupported_header_extensions_are_rejected(authenticator, headers):
    await refused(authenticator, raw_token({}, headers=headers))


@pytest.mark.parametrize(
    "header", [b"[]", b"nonsense", b"{", b"\xff\xff", b'{"alg":"EdDSA","kid":{}}', b'{"alg":["EdDSA"]}', b"[" * 3000]
)
async def test_unreadable_header_is_rejected(authenticator, header):
    token = base64.urlsafe_b64encode(header).rstrip(b"=").decode() + "." + ED.token().split(".", 1)[1]
    await refused(authenticator, token)


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt"])
async def test_access_token_types_are_accepted(authenticator, kind):
    assert await authenticator.caller("Bearer " + ED.token({"typ": kind}))


# Where keys come from


@pytest.mark.parametrize(
    "changes",
    [
        {"kty": "oct", "k": "c2VjcmV0"},
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"alg": "HS256"},
        {"alg": "RS512"},
        {"crv": "Ed448"},
        {"x": "short"},
        {"x": 7},
        {"kid": 7},
    ],
)
async def test_keys_not_for_signatures_are_ignored(jwks, clock, changes):
    jwks.write_text(json.dumps({"keys": [ED.jwk(**changes), SIGNERS["ES256"].jwk(), 7, None]}))
    authenticator = by_keys_of(jwks, clock)
    await refused(authenticator, ED.token(), "no such key")
    assert await authenticator.caller("Bearer " + SIGNERS["ES256"].token())


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_short_rsa_keys_are_ignored(jwks, clock):
    short = Signer("RS256", "short", bits=1024)
    jwks.write_text(json.dumps({"keys": [short.jwk(), ED.jwk()]}))
    claims = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.timestamp() + 600}
    token = jwt.encode(claims, short.private, "RS256", headers={"kid": "short"})
    await refused(by_keys_of(jwks, clock), token, "no such key")


async def test_key_without_alg_gets_the_algorithm_of_its_type(jwks, clock):
    bare = [{k: v for k, v in signer.jwk().items() if k != "alg"} for signer in SIGNERS.values()]
    jwks.write_text(json.dumps({"keys": bare}))
    authenticator = by_keys_of(jwks, clock)
    for algorithm in ("RS256", "ES256", "EdDSA"):
        assert await authenticator.caller("Bearer " + SIGNERS[algorithm].token())
    await refused(authenticator, SIGNERS["PS256"].token(), "no such key")


async def test_token_without_kid_uses_the_only_key_of_its_algorithm(jwks, clock):
    claims = {"sub": "ann", "iss": ISSUER, "aud": AUDIENCE, "exp": NOW.timestamp() + 600}
    token = jwt.encode(claims, ED.private, "EdDSA")
    assert await by_keys_of(jwks, clock).caller(f"Bearer {token}")
    jwks.write_text(json.dumps({"keys": [ED.jwk(), Signer("EdDSA", "two").jwk()]}))
    await refused(by_keys_of(jwks, clock), token, "no such key")


async def test_key_file_is_reloaded_when_it_changes(authenticator, jwks, clock):
    await authenticator.caller("Bearer " + ED.token())
    other = Signer("EdDSA", "other")
    jwks.write_text(json.dumps({"keys": [other.jwk()]}))
    assert await authenticator.caller("Bearer " + other.token())
    await refused(authenticator, ED.token(), "no such key")  # remembered no more


async def test_refresh_without_changes_keeps_cached_tokens(authenticator, jwks, clock):
    token = "Bearer " + ED.token()
    caller = await authenticator.caller(token)
    jwks.write_text(json.dumps(json.loads(jwks.read_text()), indent=3))
    clock.forward(seconds=2)
    assert await authenticator.caller(token) is caller


async def test_broken_key_file_keeps_the_current_keys(authenticator, jwks, clock):
    await authenticator.caller("Bearer " + ED.token())
    for text in ("{", "[]", '{"keys": []}', "\0"):
        jwks.write_text(text)
        clock.forward(seconds=2)
        assert await authenticator.caller("Bearer " + ED.token(jti=text))
    jwks.unlink()
    clock.forward(seconds=2)
    assert await authenticator.caller("Bearer " + ED.token(jti="gone"))


async def test_missing_keys_raise_unavailable(tmp_path, clock):
    authenticator = by_keys_of(tmp_path / "none", clock)
    with pytest.raises(Unavailable):
        await authenticator.caller("Bearer " + ED.token())


@pytest.mark.parametrize("text", [None, "{", '{"keys": []}'])
def test_key_file_without_keys_stops_the_start_with_one_line(tmp_path, text):
    path = tmp_path / "jwks.json"
    if text is not None:
        path.write_text(text)
    for location in (str(path), path.as_uri()):
        with pytest.raises(ValueError, match=f"^AUTH_JWKS: {re.escape(str(path))}: ") as refused:
            key_sets.check(location)
        assert "\n" not in str(refused.value)


def test_key_file_and_url_pass_the_check(jwks):
    key_sets.check(str(jwks))
    key_sets.check(jwks.as_uri())
    key_sets.check("https://issuer.example/jwks")


class Issuer:
    """A JWKS URL that counts, changes and falls silent."""

    def __init__(self) -> None:
        self.keys = [ED.jwk()]
        self.requests = 0
        self.silent = False
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"\r\n\r\n" not in await reader.read(65536):
            return
        self.requests += 1
        status = "503 Down" if self.silent else "200 OK"
        body = json.dumps({"keys": self.keys}).encode()
        writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()


@pytest.fixture
async def issuer():
    issuer = Issuer()
    server = await asyncio.start_server(issuer.answer, "127.0.0.1", 0)
    issuer.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    yield issuer
    server.close()


@asynccontextmanager
async def soon(seconds: float = 5):
    async with asyncio.timeout(seconds):
        yield


@pytest.fixture
def by_url(issuer, clock):
    return by_keys_of(issuer.url, clock)


async def test_concurrent_requests_share_one_key_fetch(by_url, issuer):
    await asyncio.gather(*(by_url.caller("Bearer " + ED.token(jti=str(n))) for n in range(20)))
    assert issuer.requests == 1


async def test_unknown_kid_refetches_at_most_once_a_minute(by_url, issuer, clock):
    await by_url.caller("Bearer " + ED.token())
    fresh = Signer("EdDSA", "fresh")
    await refused(by_url, fresh.token(), "no such key")
    issuer.keys.append(fresh.jwk())
    await refused(by_url, fresh.token(), "no such key")
    assert issuer.requests == 1
    clock.forward(seconds=61)
    await asyncio.gather(*(by_url.caller("Bearer " + fresh.token(jti=str(n))) for n in range(20)))
    assert issuer.requests == 2


async def test_keys_stay_valid_for_a_day_without_the_url(by_url, issuer, clock):
    await by_url.caller("Bearer " + ED.token())
    issuer.silent = True
    clock.forward(hours=23, minutes=59)
    assert await by_url.caller("Bearer " + ED.token(exp=NOW.timestamp() + 200_000))
    clock.forward(minutes=2)
    with pytest.raises(Unavailable):
        await by_url.caller("Bearer " + ED.token(exp=NOW.timestamp() + 200_001))
    issuer.silent = False
    clock.forward(seconds=2)
    assert await by_url.caller("Bearer " + ED.token(exp=NOW.timestamp() + 200_002))


async def test_revoked_key_is_removed_soon(by_url, issuer, clock):
    token = ED.token(exp=NOW.timestamp() + 7200)
    await by_url.caller(f"Bearer {token}")
    issuer.keys = [Signer("EdDSA", "next").jwk()]
    clock.forward(minutes=11)
    async with soon():
        while True:
            try:
                await by_url.caller(f"Bearer {token}")
            except Unauthenticated:
                break
            await asyncio.sleep(0.01)


async def test_unresponsive_key_url_times_out_within_three_seconds(clock):
    async def swallow(reader, writer):
        await reader.read()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
    async with soon(3):
        with pytest.raises(Unavailable):
            await by_keys_of(url, clock).caller("Bearer " + ED.token())
    server.close()

"""The client of webhooks and its rules, without servers other than a receiver on this machine."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook as Verifier
from stories_engagement.domain.webhooks import Attempt, BadUrl, check_url, is_public, retry_delay
from stories_engagement.jobs.webhook_client import WebhookClient
from stories_engagement.testing.receiver import Manner, Receiver, receiving
from stories_engagement.usecases.webhooks import signed_headers
from stories_shared.clock import system_now
from stories_shared.tls import client_context

NAME = "hooks.example.com"
PRIVATE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("::1", "::", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::"),
)
PUBLIC = ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "::ffff:93.184.216.34", "64:ff9b::5db8:d822")


@pytest.mark.parametrize("address", PRIVATE)
def test_address_inside_a_network_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_address_is_accepted(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "good", "good_in_development"),
    [
        ("https://example.com/hook?a=b", True, True),
        ("http://example.com/hook", False, False),
        ("http://localhost:8000/hook", False, True),
        ("https://127.0.0.1/hook", False, True),
        ("http://[::1]:8000/", False, True),
        ("https://ann:pw@example.com/", False, False),
        ("https://example.com/#part", False, False),
        ("https://example.com:99999/", False, False),
        ("ftp://127.0.0.1/", False, False),
        ("https:///hook", False, False),
        ("https://exa mple.com/", False, False),
    ],
)
def test_url_of_a_webhook(url: str, good: bool, good_in_development: bool) -> None:
    for allow_private, expected in ((False, good), (True, good_in_development)):
        if expected:
            check_url(url, allow_private=allow_private)
        else:
            with pytest.raises(BadUrl):
                check_url(url, allow_private=allow_private)


def test_retries_begin_at_five_seconds_and_end_at_an_hour() -> None:
    assert [retry_delay(n).total_seconds() for n in (1, 2, 3, 10, 11, 500)] == [5, 10, 20, 2560, 3600, 3600]


def test_signature_is_that_of_standard_webhooks() -> None:
    secret, body = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", b'{"a":1}'
    headers = signed_headers(secret, "msg_1", system_now(), body)
    assert Verifier(secret).verify(body, headers) == {"a": 1}


def resolving_to(*addresses: str) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def resolve(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return resolve


async def send(receiver: Receiver, url: str | None = None, **options: object) -> Attempt:
    client = WebhookClient(client_context(None), timeout_s=0.5, **options)  # type: ignore[arg-type]
    try:
        return await client.send(url or receiver.url, {"content-type": "application/json"}, b"{}")
    finally:
        await client.close()


@pytest.mark.parametrize(
    ("manner", "attempt"),
    [
        ("accept", Attempt(204, None)),
        ("fail", Attempt(500, "status")),
        ("redirect", Attempt(302, "redirect")),
        ("hang", Attempt(None, "timeout")),
        ("drip", Attempt(None, "timeout")),
        ("lie", Attempt(None, "connection_broken")),
    ],
)
async def test_every_answer_ends_in_bounded_time(manner: Manner, attempt: Attempt) -> None:
    async with receiving(manner) as receiver:
        assert await send(receiver, allow_private=True) == attempt
        assert len(receiver.requests) == 1


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.216.34", "127.0.0.1"], ["::ffff:127.0.0.1"]])
async def test_name_that_leads_inside_is_refused_before_connecting(addresses: list[str]) -> None:
    async with receiving() as receiver:
        port = receiver.url.rsplit(":", 1)[1]
        answer = await send(receiver, f"https://{NAME}:{port}", resolve=resolving_to(*addresses))
        assert (answer, receiver.connections) == (Attempt(None, "address_refused"), 0)


async def test_stored_private_url_is_refused_at_delivery() -> None:
    async with receiving() as receiver:
        assert await send(receiver) == Attempt(None, "address_refused")
        assert receiver.connections == 0


async def test_connection_goes_to_the_checked_address_under_the_name(tmp_path: Path) -> None:
    server_tls, authority = certificate_of(NAME, tmp_path)
    async with receiving(tls=server_tls) as receiver:
        port = receiver.url.split(":")[2].split("/")[0]
        asked: list[str] = []

        async def resolve(host: str, _port: int) -> Sequence[str]:
            asked.append(host)
            return ["127.0.0.1"]

        for name, expected in ((NAME, Attempt(204, None)), ("other.example.com", Attempt(None, "tls"))):
            client = WebhookClient(client_context(str(authority)), allow_private=True, resolve=resolve)
            try:
                assert await client.send(f"https://{name}:{port}/hook", {}, b"{}") == expected
            finally:
                await client.close()
        assert asked == [NAME, "other.example.com"]
        assert [request.headers["host"] for request in receiver.requests] == [f"{NAME}:{port}"]


def certificate_of(name: str, folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate of its own for a name, and the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "certificate.pem", folder / "key.pem"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem

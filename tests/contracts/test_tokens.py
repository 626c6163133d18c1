"""Requests without a token, or with an invalid or expired one, are rejected."""

import base64
import json

import jwt

from ..journeys.installation import Installation
from .operations import OPEN, Operation


def bad_tokens(installation: Installation) -> dict[str, str | None]:
    """Invalid headers, by what is wrong with them."""
    user, token = "ann-of-nowhere", installation.stack.token
    good = token(user)
    head, body, signature = good.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    claims = jwt.decode(good, options={"verify_signature": False})
    return {
        "none": None,
        "not bearer": "Basic YW5uOnNlY3JldA==",
        "empty": "Bearer",
        "nonsense": "Bearer nonsense",
        "over": f"Bearer {token(user, seconds=-120)}",
        "another issuer": f"Bearer {token(user, settings={'AUTH_ISSUER': 'https://elsewhere.example'})}",
        "another audience": f"Bearer {token(user, settings={'AUTH_AUDIENCE': 'elsewhere'})}",
        "no user": f"Bearer {token(user, settings={'AUTH_USER_CLAIM': 'somebody'})}",
        "no user id": f"Bearer {token('not an id')}",
        "changed": f"Bearer {head}.{body}.{signature[:-4]}AAAA",
        "unsigned": f"Bearer {none}.{body}.",
        "symmetric": f"Bearer {jwt.encode(claims, 'x' * 32, algorithm='HS256')}",
        "too long": f"Bearer {good}{'x' * 9000}",
    }


async def test_every_endpoint_requires_a_valid_token(installation: Installation, documented: list[Operation]) -> None:
    wrong = []
    for what, header in bad_tokens(installation).items():
        headers = {} if header is None else {"Authorization": header}
        for operation in documented:
            if (operation.method, operation.path) in OPEN:
                continue
            answer = await installation.http.request(operation.method, operation.at(), headers=headers)
            proper = answer.headers.get("www-authenticate", "").startswith("Bearer")
            if answer.status_code != 401 or not proper or answer.json()["type"] != "urn:stories:unauthenticated":
                wrong.append((what, operation.method, operation.path, answer.status_code))
    assert wrong == []


async def test_every_documented_path_is_reached_through_the_gateway(
    installation: Installation, documented: list[Operation]
) -> None:
    assert len({operation.path for operation in documented}) > 35
    for operation in documented:
        answer = await installation.http.request(operation.method, operation.at())
        assert answer.status_code == (200 if (operation.method, operation.path) in OPEN else 401), operation


async def test_admin_routes_are_404_for_other_users(installation: Installation, documented: list[Operation]) -> None:
    ann = installation.person("ann")
    for operation in documented:
        if operation.path.startswith("/v1/admin/"):
            answer = await ann.call(operation.method, operation.at())
            assert answer.status_code == 404, operation


async def test_services_own_pages_are_not_routed(installation: Installation) -> None:
    for path in ("/livez", "/readyz", "/metrics", "/openapi.json", "/", "/v1", "/v1/nothing", "/v2/tray"):
        answer = await installation.http.get(path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), path

"""A fake S3 store that verifies every signature (AWS Signature Version 4), its region and its session token."""

import base64
import hashlib
import hmac
import json
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit


@dataclass
class SignedStore:
    """The objects of the store, and its one account."""

    region: str
    access_key: str = "account"
    secret_key: str = "secret"  # noqa: S105
    session_token: str | None = None
    address: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    regions_asked: set[str] = field(default_factory=set)

    def refusal(self, method: str, path: str, headers: Mapping[str, str]) -> str | None:
        """The error code for a request with an invalid signature, or None."""
        parts = urlsplit(path)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        if "X-Amz-Signature" in query:
            given = {name.removeprefix("X-Amz-"): value for name, value in query.items()}
            signature, payload, timestamp = query.pop("X-Amz-Signature"), "UNSIGNED-PAYLOAD", given["Date"]
            session = given.get("Security-Token")
        else:
            _, _, fields = headers.get("authorization", "").partition(" ")
            given = dict(part.strip().split("=", 1) for part in fields.split(",") if "=" in part)
            if not given:
                return "AccessDenied"
            signature, payload = given["Signature"], headers["x-amz-content-sha256"]
            timestamp, session = headers["x-amz-date"], headers.get("x-amz-security-token")
        query_text = "&".join(f"{quote(name, safe='-_.~')}={quote(query[name], safe='-_.~')}" for name in sorted(query))
        signed = "".join(f"{name}:{headers[name].strip()}\n" for name in given["SignedHeaders"].split(";"))
        canonical = f"{method}\n{parts.path}\n{query_text}\n{signed}\n{given['SignedHeaders']}\n{payload}"
        text = "\n".join(
            [
                "AWS4-HMAC-SHA256",
                timestamp,
                given["Credential"].split("/", 1)[1],
                hashlib.sha256(canonical.encode()).hexdigest(),
            ]
        )
        return self.check_signature(given["Credential"], text, signature, session)

    def check_signature(self, credential: str, text: str, signature: str, session: str | None) -> str | None:
        account, day, region, *_ = credential.split("/")
        self.regions_asked.add(region)
        if region != self.region:
            return "AuthorizationHeaderMalformed"
        if account != self.access_key or session != self.session_token:
            return "InvalidAccessKeyId"
        key = f"AWS4{self.secret_key}".encode()
        for part in (day, region, "s3", "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        return None if hmac.digest(key, text.encode(), "sha256").hex() == signature else "SignatureDoesNotMatch"

    def form_refusal(self, form: Mapping[str, str]) -> str | None:
        """The same for a form upload, whose policy is signed."""
        conditions = json.loads(base64.b64decode(form["policy"]))["conditions"]
        region = form["x-amz-credential"].split("/")[2]
        if ["eq", "$key", form["key"]] not in conditions or region not in json.dumps(conditions):
            return "AccessDenied"
        return self.check_signature(
            form["x-amz-credential"], form["policy"], form["x-amz-signature"], form.get("x-amz-security-token")
        )


class Handler(BaseHTTPRequestHandler):
    store: SignedStore
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if code := self.store.refusal(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}):
            return self.answer(400 if code == "AuthorizationHeaderMalformed" else 403, error(code))
        key = unquote(urlsplit(self.path).path)
        if self.command == "PUT":
            self.store.objects[key] = body
            return self.answer(200)
        if self.command == "DELETE":
            self.store.objects.pop(key, None)
            return self.answer(204)
        if key.count("/") == 1:
            return self.answer(200)  # the bucket
        found = self.store.objects.get(key)
        return self.answer(404, error("NoSuchKey")) if found is None else self.answer(200, found)

    do_PUT = do_HEAD = do_DELETE = do_GET  # noqa: N815

    def do_POST(self) -> None:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        message = BytesParser().parsebytes(head + self.rfile.read(int(self.headers["Content-Length"])))
        form = {
            str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True))
            for part in message.walk()
            if not part.is_multipart()
        }
        file = form.pop("file")
        fields = {name: value.decode() for name, value in form.items()}
        if code := self.store.form_refusal(fields):
            return self.answer(403, error(code))
        self.store.objects[f"{urlsplit(self.path).path}/{fields['key']}"] = file
        return self.answer(204)

    def answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"etag"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


def error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code><Message>no</Message><Resource>/</Resource></Error>".encode()


@contextmanager
def signed_store(tls: ssl.SSLContext | None = None, *, region: str, **account: Any) -> Iterator[SignedStore]:
    """The store, listening on a local port."""
    store = SignedStore(region, **account)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("OfStore", (Handler,), {"store": store}))
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    store.address = f"{'https' if tls else 'http'}://localhost:{server.server_port}"
    serving = Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield store
    finally:
        server.shutdown()
        server.server_close()
        serving.join()

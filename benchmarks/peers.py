"""The bare limits of HTTP figures: the smallest applications, under granian where it is installed, else uvicorn."""

import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

from stories_embedded.ports import free_port

from .processes import Process, start

SERVER = "granian" if find_spec("granian") else "uvicorn"
CONSTANT = """
from pathlib import Path
BODY = Path({file!r}).read_bytes()
START = {{"type": "http.response.start", "status": 200,
         "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]}}
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send(START)
    await send({{"type": "http.response.body", "body": BODY}})
"""
PARSER = """
import msgspec
from stories_engagement.routes.views import ViewReport, ViewReportResult
START = {"type": "http.response.start", "status": 202,
         "headers": [(b"content-type", b"application/json"), (b"content-length", b"28")]}
decode, encode = msgspec.json.Decoder(ViewReport).decode, msgspec.json.encode
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if body:
        answer = encode(ViewReportResult(len(decode(body).views), []))
        START["headers"][1] = (b"content-length", str(len(answer)).encode())
    else:
        answer = b"x" * 28
    await send(START)
    await send({"type": "http.response.body", "body": answer})
"""


def command(folder: Path, port: int) -> list[str]:
    """The command that serves ``bare:app`` of a folder with one worker."""
    if SERVER == "granian":
        options = ["--interface", "asgi", "--no-ws", "--log-level", "critical", "--port", str(port)]
        return [sys.executable, "-m", "granian", *options, "--working-dir", str(folder), "bare:app"]
    options = ["--log-level", "error", "--no-access-log", "--port", str(port), "--app-dir", str(folder)]
    return [sys.executable, "-m", "uvicorn", *options, "bare:app"]


@asynccontextmanager
async def serving(source: str, body: bytes = b"") -> AsyncIterator[Process]:
    """A running bare application that answers."""
    with tempfile.TemporaryDirectory(prefix="stories-bare-") as name:
        folder, port = Path(name), free_port(set())
        (folder / "body").write_bytes(body)
        (folder / "bare.py").write_text(source.format(file=str(folder / "body")) if body else source)
        process = start(command(folder, port), port=port)
        try:
            await process.ready("/")
            yield process
        finally:
            process.stop()

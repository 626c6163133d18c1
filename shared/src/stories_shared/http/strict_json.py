"""Strict parsing of JSON bodies: bounded, unambiguous, nothing that a store would reject.

Python's own parser is used because it alone can detect duplicate keys. Rare cases (escapes, depth) are checked only if
the bytes may contain them.
"""

import asyncio
import json
import math
from collections.abc import Iterator
from email.message import Message
from typing import Any

from starlette.requests import Request

from stories_shared.http.problems import InputError, Problem, invalid, problem

MAX_BODY_BYTES = 256 * 1024  # contract, errors
BODY_S = 20  # 256 KiB from a slow phone
MAX_DEPTH = 32  # deeper than any body here, shallow enough for recursive parsers downstream
MAX_INTEGER = 2**63 - 1  # of MongoDB


async def read_bytes(request: Request) -> bytes:
    """The body; 413 once more than ``MAX_BODY_BYTES`` have arrived, 400 if it is not complete in time."""
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise too_large()
                chunks.append(chunk)
    except TimeoutError as error:
        raise problem("bad-request", f"the body did not come within {BODY_S} s") from error
    return b"".join(chunks)


async def read_document(request: Request, *, optional: bool = False) -> Any:
    """The body as JSON; None if it is empty and optional. Raises 400, 413, 415 and 422 problems.

    For raw routes; FastAPI routes get the same from ``StrictRoute``.
    """
    content_type = request.headers.get("content-type")
    if not is_plain(request) or (content_type is not None and not is_json(content_type)):
        raise unsupported_media_type()
    body = await read_bytes(request)
    if not body:
        if optional:
            return None
        raise problem("not-json", "a JSON body is needed")
    if content_type is None:
        raise unsupported_media_type()
    return loads(body)


def too_large() -> Problem:
    return problem("too-large", f"at most {MAX_BODY_BYTES} bytes")


def unsupported_media_type() -> Problem:
    return problem("unsupported-media-type", headers={"Accept": "application/json"})


def is_plain(request: Request) -> bool:
    """Whether the body is not compressed (RFC 9110, 8.4)."""
    return request.headers.get("content-encoding", "identity").lower() == "identity"


def is_json(content_type: str) -> bool:
    """Whether a Content-Type is ``application/json``, in UTF-8 if it has a charset."""
    if content_type == "application/json":
        return True
    message = Message()
    message["content-type"] = content_type
    charset = message.get_param("charset", "utf-8")
    return (
        message.get_content_type() == "application/json"
        and content_type.strip().lower().startswith("application/json")
        and isinstance(charset, str)
        and charset.lower() in {"utf-8", "utf8"}
    )


def loads(body: bytes) -> Any:
    """The parsed JSON. 400 for invalid JSON or duplicate keys, 422 for strings and numbers out of bounds."""
    try:
        document = decoder_for(body).decode(body.decode("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise problem("not-json", f"not JSON: {error}") from error
    except RecursionError as error:
        raise too_deep() from error
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH and is_too_deep([document]):
        raise too_deep()
    if b"\\u" in body and (faults := list(faults_in(document))):
        raise problem("invalid", faults[0]["msg"], errors=faults)
    return document


def reject_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise problem("not-json", "duplicate key")
    return document


def no_constant(name: str) -> Any:
    raise problem("not-json", f"{name} is not JSON")


def integer(text: str) -> int:
    if len(text) > 20 or abs(value := int(text)) > MAX_INTEGER:
        raise out_of_range()
    return value


def real(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise out_of_range()
    return value


DECODER = json.JSONDecoder(object_pairs_hook=reject_duplicate_keys, parse_constant=no_constant, parse_float=real)
DECODER_CHECKING_INTEGERS = json.JSONDecoder(
    object_pairs_hook=reject_duplicate_keys, parse_constant=no_constant, parse_float=real, parse_int=integer
)
DIGITS_AS_ZEROS = bytes.maketrans(b"123456789", b"000000000")
LONG_NUMBER = b"0" * 19


def decoder_for(body: bytes) -> json.JSONDecoder:
    """Checking every integer in Python doubles the time, so it is done only if the body has 19 digits in a row."""
    return DECODER_CHECKING_INTEGERS if LONG_NUMBER in body.translate(DIGITS_AS_ZEROS) else DECODER


def is_too_deep(document: Any) -> bool:
    level = [document]
    for _ in range(MAX_DEPTH):
        inner = (value for each in level for value in (each.values() if type(each) is dict else each))
        level = [value for value in inner if type(value) is dict or type(value) is list]
        if not level:
            return False
    return True


def faults_in(document: Any) -> Iterator[InputError]:
    """NULs and lone surrogates in all strings; without recursion."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [(("body",), document)]
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, str):
            if not is_clean(value):
                yield {"loc": list(loc), "msg": "must not hold NUL or half a surrogate pair"}
        elif isinstance(value, dict | list):
            if isinstance(value, dict) and not all(map(is_clean, value)):
                yield {"loc": list(loc), "msg": "a key must not hold NUL or half a surrogate pair"}
                continue
            steps = value.items() if isinstance(value, dict) else enumerate(value)
            waiting.extend(((*loc, key), inner) for key, inner in steps)


def is_clean(text: str) -> bool:
    """Whether a string can be stored and sent everywhere: no NUL, no lone surrogate."""
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def too_deep() -> Problem:
    return invalid(f"nested deeper than {MAX_DEPTH} levels", "body")


def out_of_range() -> Problem:
    return problem("invalid", "a number is out of range", errors=[{"loc": ["body"], "msg": "number out of range"}])

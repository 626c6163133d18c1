"""Strict parsing of query strings: known names only, each once, valid percent-encoding, UTF-8, no NUL."""

import re
from collections.abc import Collection
from urllib.parse import unquote_to_bytes

from starlette.requests import Request

from stories_shared.http.problems import Problem, problem

BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
PLAIN = re.compile(rb"[A-Za-z0-9_.,-]*")
"""Text that is what it stands for."""


def query(request: Request, *names: str) -> dict[str, str]:
    """The parameters by name; 422 for an unknown or repeated name, or a value that is not text."""
    raw: bytes = request.scope.get("query_string", b"")
    return read_query(raw, names) if raw else {}


def read_query(raw: bytes, names: Collection[str]) -> dict[str, str]:
    """``raw`` as sent after the question mark. Raises a 422 problem."""
    found: dict[str, str] = {}
    for part in raw.split(b"&"):
        if not part:
            continue
        name, _, value = part.partition(b"=")
        key = text(name)
        if key not in names:
            raise bad_query(key, "unknown parameter")
        if key in found:
            raise bad_query(key, "given more than once")
        found[key] = text(value)
    return found


def text(raw: bytes) -> str:
    if PLAIN.fullmatch(raw):
        return raw.decode()
    if BAD_ESCAPE.search(raw):
        raise bad_query("", "bad percent-encoding")
    try:
        decoded = unquote_to_bytes(raw.replace(b"+", b" ")).decode("utf-8")
    except UnicodeDecodeError as error:
        raise bad_query("", "not UTF-8") from error
    if "\0" in decoded:
        raise bad_query("", "must not hold NUL")
    return decoded


def bad_query(name: str, msg: str) -> Problem:
    return problem("invalid", "bad query", errors=[{"loc": ["query", name] if name else ["query"], "msg": msg}])

"""The generated half of clients/python: types and operations from docs/openapi.json, and the blocking client from the
asynchronous one, as httpcore and elasticsearch-py do it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Schema = dict[str, Any]

FOLDER = Path("clients/python/src/stories_client")
HEAD = "# Made from docs/openapi.json by `make docs`; a test compares.\n\n"
SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
HEADERS = {"Idempotency-Key": "idempotency_key", "Story-Ticket": "ticket"}
"""Header parameters of the methods; the client itself sends `If-None-Match` and `Last-Event-ID`."""
KEYWORDS = {"from": "from_"}
STREAM = "stream_updates"
BLOCKING = (
    (r"from collections\.abc import (.*)AsyncIterator", r"from collections.abc import \1Iterator"),
    (r"Awaitable\[(\w+)\]", r"\1"),
    (r", Awaitable\b|\bAwaitable, ", ""),
    (r"async (def|for|with)", r"\1"),
    (r"\bawait ", ""),
    (r"\banext\b", "next"),
    (r"asyncio\.sleep", "time.sleep"),
    (r"import asyncio", "import time"),
    (r"__a(enter|exit)__", r"__\1__"),
    (r"\ba(close|iter_lines|read)\(", r"\1("),
    (r"AsyncIterator", "Iterator"),
    (r"httpx\.Async(\w+)", r"httpx.\1"),
    (r"\bAsync([A-Z])", r"\1"),
    (r"_async\b", "_sync"),
    (r"Asynchronous", "Blocking"),
)


def files(checkout: Path) -> dict[Path, str]:
    """The text of every generated file by path."""
    document = json.loads((checkout / "docs" / "openapi.json").read_text(encoding="utf-8"))
    folder = checkout / FOLDER
    made = {folder / "models.py": models(document), folder / "_async" / "operations.py": operations(document)}
    texts = {path.name: path.read_text(encoding="utf-8") for path in sorted((folder / "_async").glob("*.py"))}
    texts["operations.py"] = made[folder / "_async" / "operations.py"]
    for name, text in texts.items():
        made[folder / "_sync" / name] = blocking(text)
    return {path: formatted(text, path) for path, text in made.items()}


def formatted(text: str, path: Path) -> str:
    """The text in the form of `ruff format`, with sorted imports."""
    ruff = Path(sys.executable).with_name("ruff")
    commands = (["check", "--quiet", "--select", "I", "--fix-only"], ["format", "--quiet"])
    for arguments in commands:
        command = [str(ruff), *arguments, "--stdin-filename", str(path), "-"]
        text = subprocess.run(command, input=text, check=True, capture_output=True, text=True).stdout
    return text


def blocking(text: str) -> str:
    """The blocking form of an asynchronous module."""
    for pattern, replacement in BLOCKING:
        text = re.sub(pattern, replacement, text)
    head = (
        ""
        if text.startswith(HEAD)
        else "# Made from the module of the same name in `_async` by `make docs`; a test compares.\n\n"
    )
    return head + text


def models(document: Schema) -> str:
    """A `TypedDict` for each schema: values stay what JSON gives, so new fields and new values of enumerations pass."""
    schemas: dict[str, Schema] = document["components"]["schemas"]
    lines = [
        HEAD + '"""What the API takes and answers."""\n',
        "from __future__ import annotations\n",
        "from typing import Any, Literal, NotRequired, TypeAlias, TypedDict\n",
    ]
    kept = {name: schema for name, schema in schemas.items() if not name.endswith("Problem") or name == "Problem"}
    for name, schema in kept.items():
        lines += list(inline_classes(name, schema))
        lines += typed_dict(name, schema) if "properties" in schema else []
    for name, schema in kept.items():
        if "properties" not in schema:
            lines.append(f'{name}: TypeAlias = "{annotation(schema, name)}"\n')
    return "\n".join(lines)


def inline_classes(name: str, schema: Schema) -> Iterator[str]:
    """The classes of objects that are written inside of a schema's properties."""
    for key, value in schema.get("properties", {}).items():
        for number, each in enumerate(value.get("anyOf", ())):
            if "properties" in each:
                yield from typed_dict(inline_name(name, key, number), each)


def inline_name(name: str, key: str, number: int) -> str:
    return f"{name}{key.title().replace('_', '')}{number or ''}"


def typed_dict(name: str, schema: Schema) -> list[str]:
    """The lines of a class; of a functional definition where a key is a keyword of Python."""
    required = set(schema.get("required", ()))
    fields = []
    for key, value in schema["properties"].items():
        kind = annotation(value, name, key)
        fields.append((key, kind if key in required else f"NotRequired[{kind}]", value.get("description", "")))
    about = schema.get("description", "An object.").replace("\\", "\\\\")
    if any(key in KEYWORDS for key, _, _ in fields):
        inner = ", ".join(f'"{key}": {json.dumps(kind)}' for key, kind, _ in fields)
        return [f'{name} = TypedDict("{name}", {{{inner}}})', f'"""{about}"""\n']
    lines = [f"class {name}(TypedDict):", f'    """{wrapped(about, "    ")}"""\n']
    for key, kind, words in fields:
        lines += [f"    # {line}" for line in wrapped(words, "").splitlines()]
        lines.append(f"    {key}: {kind}")
    return [*lines, ""]


def wrapped(words: str, indent: str) -> str:
    """Words in lines that fit."""
    lines, line = [], ""
    for word in words.split():
        if line and len(line) + len(word) > 108:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return f"\n{indent}".join([*lines, line])


def annotation(schema: Schema, name: str = "", key: str = "") -> str:
    """The annotation of a schema."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        named = (json.dumps(each) if isinstance(each, str) else repr(each) for each in schema["enum"])
        return f"Literal[{', '.join(named)}]"
    for kind in ("anyOf", "oneOf", "allOf"):
        if kind in schema:
            parts = [
                inline_name(name, key, number) if "properties" in each else annotation(each, name, key)
                for number, each in enumerate(schema[kind])
            ]
            return " | ".join(dict.fromkeys(parts))
    if schema.get("type") == "array":
        return f"list[{annotation(schema['items'], name, key)}]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"dict[str, {annotation(values, name, key)}]" if isinstance(values, dict) else "dict[str, Any]"
    return SCALARS.get(schema.get("type", ""), "Any")


def operations(document: Schema) -> str:
    """The class with a method for each operation."""
    methods = [
        method(document, path, verb, operation)
        for path, verbs in document["paths"].items()
        for verb, operation in verbs.items()
        if operation["operationId"] != STREAM
    ]
    return "\n".join([OPERATIONS_HEAD, *methods])


OPERATIONS_HEAD = f'''{HEAD}"""Every operation of the API, one method each."""

from abc import ABC, abstractmethod
from typing import Any, Literal
from urllib.parse import quote

from stories_client import models


class AsyncOperations(ABC):
    """Asynchronous methods for the operations of the OpenAPI document, by their ids."""

    @abstractmethod
    async def call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        headers: dict[str, str | None] | None = None,
        body: Any = None,
    ) -> Any:
        """Send a request. Raises: StoriesError: it was refused."""
'''


def method(document: Schema, path: str, verb: str, operation: Schema) -> str:
    """One method."""
    found = [resolved(document, each) for each in operation.get("parameters", ())]
    arguments, options = ["self"], []
    query, headers = [], []
    for each in found:
        name = KEYWORDS.get(each["name"], each["name"])
        kind = annotation(each["schema"])
        if each["in"] == "path":
            arguments.append(f"{name}: {kind}")
        elif each["in"] == "query":
            options.append(f"{name}: {kind}" + ("" if each.get("required") else " | None = None"))
            query.append(f'"{each["name"]}": {name}')
        elif each["name"] in HEADERS:
            options.append(f"{HEADERS[each['name']]}: str | None = None")
            headers.append(f'"{each["name"]}": {HEADERS[each["name"]]}')
    sent = [f'"{verb.upper()}"', path_of(path)]
    if query:
        sent.append(f"query={{{', '.join(query)}}}")
    if headers:
        sent.append(f"headers={{{', '.join(headers)}}}")
    if "requestBody" in operation:
        kind = annotation(operation["requestBody"]["content"]["application/json"]["schema"])
        arguments.append(f"body: {qualified(kind)}" + (" = None" if "None" in kind else ""))
        sent.append("body=body")
    answer = qualified(answer_of(operation))
    if options:
        arguments += ["*", *options]
    made = f"await self.call({', '.join(sent)})"
    lines = [f"    async def {operation['operationId']}({', '.join(arguments)}) -> {answer}:"]
    lines.append(f'        """{operation["summary"].replace(chr(92), chr(92) * 2)}."""')
    lines += [f"        {made}"] if answer == "None" else [f"        found: {answer} = {made}", "        return found"]
    return "\n".join(lines) + "\n"


def resolved(document: Schema, parameter: Schema) -> Schema:
    """A parameter, or the shared one that it refers to."""
    if "$ref" not in parameter:
        return parameter
    found: Schema = document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
    return found


def path_of(path: str) -> str:
    """The expression of a path."""
    filled = re.sub(r"\{(\w+)\}", r"{quote(\1, safe='')}", path)
    return f'f"{filled}"' if filled != path else f'"{path}"'


def qualified(kind: str) -> str:
    """An annotation whose names are those of the module `models`."""
    return re.sub(r"(?<![\w\"'])(?!None\b|Any\b|Literal\b)([A-Z]\w+)", r"models.\1", kind)


def answer_of(operation: Schema) -> str:
    """What a method returns."""
    kinds: dict[str, None] = {}
    for status, response in operation["responses"].items():
        if status < "300":
            content = response.get("content", {}).get("application/json")
            kinds |= dict.fromkeys((annotation(content["schema"]) if content else "None").split(" | "))
    return " | ".join(kinds)

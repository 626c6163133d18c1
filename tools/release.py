"""`make release VERSION=x.y.z`: sets the version everywhere, moves the changelog section, keeps payloads and the API
document, commits, tags.

Changes nothing unless the tree is clean, the version follows the current one, and the changelog has unreleased entries.
It does not push; `git tag -d vX.Y.Z && git reset --hard HEAD~1` undoes it.
"""

import json
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)\Z")
UNRELEASED = re.compile(r"^## Unreleased\n(?P<told>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
GOLDEN = Path("shared/tests/golden")
OPENAPI = Path("docs/openapi.json")
RELEASED = Path("tools/api/released.json")
WORDS = frozenset({"description", "summary", "example", "examples", "links", "info", "tags"})
NAMED = frozenset({"properties", "paths", "schemas", "responses", "headers", "parameters", "securitySchemes"})

TAG = r'(\btag: "?){old}("?)(?![\w.])'

# Where a version stands: files, and what it looks like there. The old one is replaced, and there has to be one.
PLACES = (
    ("pyproject.toml", r'(?m)^(version = "){old}(")$'),
    ("*/pyproject.toml", r'(?m)^(version = "){old}(")$'),
    ("*/*/pyproject.toml", r'(?m)^(version = "){old}(")$'),
    ("docs/asyncapi.yaml", r"(?m)^(  version: ){old}()$"),
    ("docs/openapi.json", r'(?m)^( +"version": "){old}(",?)$'),
    ("docs/openapi/*.json", r'(?m)^( +"version": "){old}(",?)$'),
    ("docs/openapi/examples/get_config.json", r'(?m)^( +"version": "){old}(",?)$'),
    ("clients/typescript/src/schema.d.ts", r'("version": "){old}(")'),
    ("clients/typescript/package.json", r'(?m)^(  "version": "){old}(",?)$'),
    ("web/package.json", r'("stories-client": "){old}(")'),
    ("package-lock.json", r'("name": "stories-client",\n +"version": "){old}(")'),
    ("package-lock.json", r'("stories-client": "){old}(")'),
    ("docker-compose.yml", r"(\$\{{STORIES_VERSION:-){old}(\}})"),
    ("deploy/helm/**/Chart.yaml", r'(?m)^( *(?:appV|v)ersion: "?){old}("?)$'),
    ("deploy/helm/examples/*.yaml", TAG),
    ("docs/deploying.md", TAG),
)
MAY_LACK = ("deploy/helm/examples/*.yaml", "docs/deploying.md")


class Refused(Exception):
    """Nothing was changed; ``args[0]`` is the reason."""


def main(arguments: list[str]) -> int:
    """Release the checkout in the current folder."""
    try:
        (version,) = arguments
    except ValueError:
        sys.stderr.write("usage: make release VERSION=x.y.z\n")
        return 2
    try:
        written = release(Path(), version)
    except Refused as refused:
        sys.stderr.write(f"release: {refused}\n")
        return 1
    sys.stdout.write(f"v{version}: {len(written)} files, committed and tagged; now: git push --follow-tags\n")
    return 0


def release(checkout: Path, version: str) -> list[Path]:
    """Release a checkout; returns the written files.

    Raises: Refused: the tree is not clean, the version does not follow, or there are no unreleased entries.
    """
    if not VERSION.match(version):
        raise Refused(f"{version!r} is no version; x.y.z is expected")
    if dirty := git(checkout, "status", "--porcelain"):
        raise Refused(f"the tree is not clean:\n{dirty}")
    old = current(checkout)
    kept = checkout / GOLDEN / f"v{version}"
    if git(checkout, "tag", "--list", f"v{version}") or kept.exists() or ordered(version) < ordered(old):
        raise Refused(f"{version} does not follow {old}, or is released already")
    texts = bumped(checkout, old, version) | {checkout / "CHANGELOG.md": told(checkout, version)}
    written = [path for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    for path in written:
        path.write_text(texts[path], encoding="utf-8")
    shutil.copytree(checkout / GOLDEN / "unreleased", kept)
    keep_document(checkout)
    for left in sorted(naming(checkout, old)) if old != version else ():
        sys.stderr.write(f"{left} still names {old}; is that another's version?\n")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", f"Release {version}")
    git(checkout, "tag", "--annotate", f"v{version}", "--message", f"Release {version}")
    return [*written, *kept.iterdir()]


def keep_document(checkout: Path) -> None:
    """Keep what the OpenAPI document promises, for `make check/deploy` to compare later ones with."""
    kept = outline(json.loads((checkout / OPENAPI).read_text(encoding="utf-8")))
    (checkout / RELEASED).write_text(json.dumps(kept, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")


def outline(document: dict[str, Any]) -> dict[str, Any]:
    """A document without words and examples."""
    info = {"title": document["info"]["title"], "version": document["info"]["version"]}
    return {"info": info, **without_words(document)}


def without_words(value: Any, *, names: bool = False) -> Any:
    """A part of a document. With `names` its keys are names, of properties for example, and not keywords."""
    if isinstance(value, dict):
        return {
            key: without_words(each, names=key in NAMED and not names)
            for key, each in value.items()
            if names or key not in WORDS
        }
    return [without_words(each) for each in value] if isinstance(value, list) else value


def current(checkout: Path) -> str:
    """The version of the checkout."""
    found = re.search(r'(?m)^version = "([^"]+)"$', (checkout / "pyproject.toml").read_text(encoding="utf-8"))
    if found is None:
        raise Refused("pyproject.toml names no version")
    return found[1]


def ordered(version: str) -> tuple[int, ...]:
    """A version as numbers."""
    return tuple(int(part) for part in version.split("."))


def bumped(checkout: Path, old: str, new: str) -> dict[Path, str]:
    """The new text of every file that contains the version.

    Raises: Refused: one of them does not contain it.
    """
    texts: dict[Path, str] = {}
    for pattern, place in PLACES:
        for path in sorted(checkout.glob(pattern)):
            if path.relative_to(checkout).parts[0].startswith("."):
                continue
            text = texts.get(path) or path.read_text(encoding="utf-8")
            made, number = re.subn(place.format(old=re.escape(old)), rf"\g<1>{new}\g<2>", text)
            if not number and pattern not in MAY_LACK:
                raise Refused(f"{path.relative_to(checkout)} does not name {old}")
            texts[path] = made
    return texts


def naming(checkout: Path, version: str) -> set[str]:
    """Deployment files and documents that contain this version, except test data and lock files."""
    kept = (
        ":!CHANGELOG.md",
        ":!*.lock",
        ":!package-lock.json",
        ":!tools/api/**",
        ":!**/tests/**",
        ":!tests/**",
        ":!**/go.*",
    )
    run = subprocess.run(
        ["git", "-C", str(checkout), "grep", "--files-with-matches", "--word-regexp", "-F", version, "--", ".", *kept],
        check=False,
        capture_output=True,
        text=True,
    )
    return set(run.stdout.split())


def told(checkout: Path, version: str) -> str:
    """The changelog with its unreleased entries under the version and today's date.

    Raises: Refused: there are no unreleased entries.
    """
    text = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    found = UNRELEASED.search(text)
    if found is None or not found["told"].strip():
        raise Refused("CHANGELOG.md tells nothing under `## Unreleased`")
    heading = f"## Unreleased\n\n## {version} ({datetime.now(UTC):%Y-%m-%d})\n"
    return text[: found.start()] + heading + text[found.start("told") :]


def git(checkout: Path, *arguments: str) -> str:
    """The output of git.

    Raises: Refused: it failed.
    """
    run = subprocess.run(["git", "-C", str(checkout), *arguments], check=False, capture_output=True, text=True)
    if run.returncode:
        raise Refused(f"git {arguments[0]}: {run.stderr.strip()}")
    return run.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

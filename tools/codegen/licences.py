"""docs/licences.md: the licence of every package in an image, as the package's own metadata states it."""

import re
from importlib.metadata import distribution
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
IMAGES = ("ingest", "feed", "engagement", "expiry", "cli")
HEAD = """# Third-party licences

The packages in each image, without those that only some platforms need, from the locks and the packages' own metadata.
What wheels with native code contain, and what follows for those who distribute an image, is in the file `NOTICE`.

| package | licence | images |
| --- | --- | --- |
"""


def page() -> str:
    """The document."""
    images: dict[str, list[str]] = {}
    for image in IMAGES:
        lock = CHECKOUT / ("cli" if image == "cli" else f"services/{image}") / "requirements.lock"
        for name in re.findall(r"^([a-z0-9._-]+)==[^;\s]+ \\$", lock.read_text(encoding="utf-8"), re.MULTILINE):
            images.setdefault(name, []).append(image)
    return HEAD + "".join(
        f"| {name} | {licence_of(name)} | {'all' if len(images[name]) == len(IMAGES) else ', '.join(images[name])} |\n"
        for name in sorted(images)
    )


def licence_of(package: str) -> str:
    """The SPDX expression, else the classifiers, else the first line of the licence's text."""
    metadata = distribution(package).metadata
    if expression := metadata["License-Expression"]:
        return str(expression)
    classifiers = [each for each in metadata.get_all("Classifier") or [] if each.startswith("License :: ")]
    named = [each.rpartition(" :: ")[2] for each in classifiers]
    return ", ".join(named) or str(metadata["License"] or "not stated").strip().splitlines()[0]

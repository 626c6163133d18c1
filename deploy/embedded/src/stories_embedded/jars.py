"""Apache Kafka's jars: fetched once from Maven Central, checked against the locks, kept in the cache.

`python -m stories_embedded.jars` is a step of `make install`; `--lock` writes the locks anew. jgo killed half-way
leaves a partial cache and calls it whole, so every installation fetches into a folder of its own, and only one whose
every file has the locked hash is renamed into place.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from .paths import EMBEDDED, NotInstalled, cache, java

if TYPE_CHECKING:
    from jgo.maven import Artifact

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"  # without a binding Kafka logs nothing at all
TOOLS = "org.apache.kafka:kafka-tools:4.3.1"  # its own command line tools, for `kafka_tools`
KAFKA_LOCK = EMBEDDED / "kafka.lock"
LOGGING_LOCK = EMBEDDED / "kafka-logging.lock"
TOOLS_LOCK = EMBEDDED / "kafka-tools.lock"
LOCKS = (KAFKA_LOCK, LOGGING_LOCK, TOOLS_LOCK)
ARCHIVE = "kafka.jsa"
FETCHED_AT_ONCE = 6


class WrongJars(Exception):
    """What was fetched is not what the locks say."""


def locked() -> dict[str, str]:
    """sha256 by coordinate (`group:artifact:version`), over all locks."""
    lines = [line for lock in LOCKS for line in lock.read_text().splitlines()]
    return {name: digest for digest, name in (line.split() for line in lines if line and not line.startswith("#"))}


def home() -> Path:
    """Where the jars of these locks belong, there or not."""
    state = hashlib.sha256(repr(sorted(locked().items())).encode()).hexdigest()[:12]
    return cache() / f"kafka-4.3.1-{state}"


def classpath() -> str:
    """The class path of a Kafka process.

    Raises NotInstalled where `make install` has not put every jar in place.
    """
    folder = home()
    names = sorted(_file_name(coordinate) for coordinate in locked())
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise NotInstalled(f"{len(missing)} of Kafka's jars are not installed: run `make install`")
    return ":".join(str(folder / name) for name in names)


def archives() -> Path:
    """Where the classes of these jars lie, read and checked for this Java, there or not; `kafka_appcds` makes them."""
    release = hashlib.sha256((java().parent.parent / "release").read_bytes()).hexdigest()[:12]
    return cache() / f"{home().name}-classes-{release}"


def from_archives() -> list[str]:
    """The options with which a JVM takes classes from the archives; without them it starts slower.

    It does so by itself where they do not fit it or the class path.
    """
    archive = archives() / ARCHIVE
    return ["-Xshare:auto", f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else ["-Xshare:auto"]


def install() -> Path:
    """Put every locked jar in place, unless they are there already.

    Raises WrongJars.
    """
    folder = home()
    if folder.is_dir():
        try:
            _check(folder.glob("*.jar"))
        except WrongJars:
            shutil.rmtree(folder)
        else:
            return folder
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=cache()) as scratch:
        whole = Path(scratch) / "whole"
        whole.mkdir()
        for jar in _fetch(locked(), Path(scratch) / "m2"):
            jar.rename(whole / jar.name)
        _check(whole.glob("*.jar"))
        try:
            whole.rename(folder)
        except OSError:  # another checkout's installation was faster
            _check(folder.glob("*.jar"))
    return folder


def lock() -> None:
    """Write the locks from what the pinned coordinates resolve to today."""
    import jgo

    kafka = sorted({_coordinate(artifact) for artifact in jgo.resolve(KAFKA) if artifact.packaging == "jar"})
    for path, coordinates in ((KAFKA_LOCK, kafka), (LOGGING_LOCK, [LOGGING]), (TOOLS_LOCK, [TOOLS])):
        with tempfile.TemporaryDirectory(prefix="kafka-", dir=cache()) as scratch:
            digests = [_sha256(jar) for jar in _fetch(coordinates, Path(scratch))]
        path.write_text("".join(f"{digest}  {name}\n" for digest, name in zip(digests, coordinates, strict=True)))


def _fetch(coordinates: Iterable[str], scratch: Path) -> list[Path]:
    # Loaded here: a start that only needs the class path does without them.
    import requests
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.maven import MavenContext

    repositories = {"central": MAVEN_CENTRAL_URL, **GlobalSettings.load().repositories}
    maven = MavenContext(repo_cache=scratch, remote_repos=repositories)

    def one(coordinate: str) -> Path:
        group, artifact, version = coordinate.split(":")
        return maven.project(group, artifact).at_version(version).artifact().resolve()

    try:
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:
            return list(pool.map(one, coordinates))
    except (requests.RequestException, RuntimeError, OSError) as error:
        raise WrongJars(f"not all jars could be fetched: {error}") from error


def _check(jars: Iterable[Path]) -> None:
    wanted = {_file_name(coordinate): digest for coordinate, digest in locked().items()}
    found = {jar.name: _sha256(jar) for jar in jars}
    if missing := sorted(wanted.keys() - found.keys()):
        raise WrongJars(f"{len(found)} of {len(wanted)} jars; missing: {', '.join(missing)}")
    if surplus := sorted(found.keys() - wanted.keys()):
        raise WrongJars(f"not in the lock: {', '.join(surplus)}")
    if changed := sorted(name for name in wanted if found[name] != wanted[name]):
        raise WrongJars(f"not the locked bytes: {', '.join(changed)}")


def _coordinate(artifact: "Artifact") -> str:
    return f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Install, or with `--lock` write the locks; exits 1 with one line where that failed."""
    try:
        if "--lock" in sys.argv[1:]:
            lock()
        install()
    except (WrongJars, NotInstalled) as error:
        sys.stderr.write(f"kafka: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

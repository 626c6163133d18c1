"""Apache Kafka's jars: fetched once from Maven Central, verified against `kafka.lock`, kept in the cache.

`python -m stories_embedded.jars` is a step of `make install`; `--lock` rewrites the lock file. A killed jgo
leaves a partial cache that it later treats as complete. So every installation fetches into a temporary folder, which is
renamed into place only if every file has the locked hash.
"""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .paths import EMBEDDED, NotInstalled, cache, java

KAFKA = "org.apache.kafka:kafka_2.13:4.3.1"
LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4"  # without an SLF4J binding Kafka logs nothing
TOOLS = "org.apache.kafka:kafka-tools:4.3.1"  # the command line tools, for `kafka_tools`
LOCK = EMBEDDED / "kafka.lock"
ARCHIVE = "kafka.jsa"
FETCH_CONCURRENCY = 6


class WrongJars(Exception):
    """The fetched jars do not match the lock file."""


def locked() -> dict[str, str]:
    """sha256 by coordinate (`group:artifact:version`)."""
    return {name: digest for digest, name in map(str.split, LOCK.read_text().splitlines())}


def home() -> Path:
    """The folder for the locked jars; it may not exist yet."""
    state = hashlib.sha256(repr(sorted(locked().items())).encode()).hexdigest()[:12]
    return cache() / f"kafka-4.3.1-{state}"


def classpath() -> str:
    """The class path of a Kafka process.

    Raises NotInstalled if a jar is missing.
    """
    folder = home()
    names = sorted(_file_name(coordinate) for coordinate in locked())
    if missing := [name for name in names if not (folder / name).is_file()]:
        raise NotInstalled(f"{len(missing)} of Kafka's jars are not installed: run `make install`")
    return ":".join(str(folder / name) for name in names)


def cds_archive() -> Path:
    """The AppCDS folder of these jars and this Java; it may not exist yet. `kafka_appcds` creates it."""
    release = hashlib.sha256((java().parent.parent / "release").read_bytes()).hexdigest()[:12]
    return cache() / f"{home().name}-classes-{release}"


def cds_flags() -> list[str]:
    """The JVM options that load classes from the AppCDS archive.

    The JVM ignores an archive that does not match it or the class path, and starts more slowly.
    """
    archive = cds_archive() / ARCHIVE
    return ["-Xshare:auto", f"-XX:SharedArchiveFile={archive}"] if archive.is_file() else ["-Xshare:auto"]


def install() -> Path:
    """Install every locked jar, unless all are installed already.

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
        complete = Path(scratch) / "complete"
        complete.mkdir()
        for jar in _fetch(locked(), Path(scratch) / "m2"):
            jar.rename(complete / jar.name)
        _check(complete.glob("*.jar"))
        try:
            complete.rename(folder)
        except OSError:  # another checkout's installation was faster
            _check(folder.glob("*.jar"))
    return folder


def lock() -> None:
    """Write the lock file: what Kafka currently resolves to, and the two other jars alone."""
    import jgo

    kafka = [jar for jar in jgo.resolve(KAFKA) if jar.packaging == "jar"]
    coordinates = sorted({*(f"{jar.groupId}:{jar.artifactId}:{jar.version}" for jar in kafka), LOGGING, TOOLS})
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=cache()) as scratch:
        digests = [_sha256(jar) for jar in _fetch(coordinates, Path(scratch))]
    LOCK.write_text("".join(f"{digest}  {name}\n" for digest, name in zip(digests, coordinates, strict=True)))


def _fetch(coordinates: Iterable[str], scratch: Path) -> list[Path]:
    # Imported here because starting a stack needs only the class path.
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
        with ThreadPoolExecutor(FETCH_CONCURRENCY) as pool:
            return list(pool.map(one, coordinates))
    except (requests.RequestException, RuntimeError, OSError) as error:
        raise WrongJars(f"not all jars could be fetched: {error}") from error


def _check(jars: Iterable[Path]) -> None:
    expected = {_file_name(coordinate): digest for coordinate, digest in locked().items()}
    found = {jar.name: _sha256(jar) for jar in jars}
    if missing := sorted(expected.keys() - found.keys()):
        raise WrongJars(f"{len(found)} of {len(expected)} jars; missing: {', '.join(missing)}")
    if surplus := sorted(found.keys() - expected.keys()):
        raise WrongJars(f"not in the lock: {', '.join(surplus)}")
    if changed := sorted(name for name in expected if found[name] != expected[name]):
        raise WrongJars(f"hash differs from the lock: {', '.join(changed)}")


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def main() -> int:
    """Install, or with `--lock` rewrite the lock file; returns 1 and prints one line on failure."""
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

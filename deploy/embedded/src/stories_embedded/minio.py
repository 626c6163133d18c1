"""MinIO: the program on the PATH, else one built once from its Go module into the cache."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .paths import NotInstalled, cache

MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"  # the last release


def program() -> Path:
    """The path of the program.

    Raises NotInstalled if neither `minio` nor `go` is on the PATH.
    """
    if found := shutil.which("minio"):
        return Path(found)
    built = cache() / "minio" / "minio"
    return built if built.is_file() else _build(built)


def _build(target: Path) -> Path:
    go = shutil.which("go")
    if not go:
        raise NotInstalled("MinIO needs a `minio` on the PATH, or Go to build one: https://go.dev/dl")
    with tempfile.TemporaryDirectory(prefix="minio-", dir=cache()) as scratch:
        env = {**os.environ, "GOBIN": scratch, "GOFLAGS": "-trimpath", "CGO_ENABLED": "0"}
        run = subprocess.run([go, "install", MODULE], check=False, env=env, stderr=subprocess.PIPE, text=True)
        if run.returncode:
            raise NotInstalled(f"MinIO could not be built: {run.stderr[-500:]}")
        target.parent.mkdir(exist_ok=True)
        (Path(scratch) / "minio").replace(target)
    return target

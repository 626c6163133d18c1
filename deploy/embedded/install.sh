#!/bin/sh
# Installs .venv (requirements.lock and the workspace members) and Kafka's jars and AppCDS archives (in the cache).
# Run by `make install`; it can be interrupted at any moment and run again.
set -eu
cd "$(dirname "$0")/../.."
python=${1:-python3}

sh deploy/embedded/preflight.sh "$python"

# Remove an interrupted installation. It is renamed first, so that a half-removed one is never taken for complete.
rm -rf .venv-making .venv-broken
if [ -e .venv ] && { [ ! -e .venv/installed ] || ! .venv/bin/python -c '' 2>/dev/null; }; then
    mv .venv .venv-broken
    rm -rf .venv-broken
fi

if [ ! -e .venv ]; then
    echo "creating .venv" >&2
    "$python" -m venv .venv-making
    .venv-making/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: -r deploy/build.lock
    # The scripts contain the path of their folder; replace it by the final one.
    .venv-making/bin/python - <<'PY'
import pathlib
for script in pathlib.Path(".venv-making/bin").iterdir():
    if script.is_file() and not script.is_symlink() and b".venv-making" in (text := script.read_bytes()) and b"\0" not in text:
        script.write_bytes(text.replace(b".venv-making", b".venv"))
PY
    mv .venv-making .venv
fi
rm -f .venv/installed

echo "installing requirements.lock" >&2
quiet=--quiet
[ -t 2 ] && quiet=
.venv/bin/uv pip sync $quiet --compile-bytecode --python .venv/bin/python --require-hashes --only-binary :all: requirements.lock
members=$(for member in shared services/*/ deploy/embedded cli clients/python; do printf ' -e %s' "${member%/}"; done)
# shellcheck disable=SC2086 # splits words intentionally
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation $members
echo "installing Kafka into the cache" >&2
.venv/bin/python -m stories_embedded.jars
echo "creating the AppCDS archives of Kafka" >&2
.venv/bin/python -m stories_embedded.kafka_appcds
touch .venv/installed

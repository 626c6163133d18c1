#!/bin/sh
# Makes .venv whole: everything of requirements.lock, the members in place, Kafka's jars and classes in the cache.
# Run by `make install`; interrupted at any moment, it starts over where that is needed.
set -eu
cd "$(dirname "$0")/../.."
python=${1:-python3}

sh deploy/embedded/preflight.sh "$python"

# What an interrupted installation left. Renamed before it is removed, so that half of it is never taken for whole.
rm -rf .venv-making .venv-broken
if [ -e .venv ] && { [ ! -e .venv/installed ] || ! .venv/bin/python -c '' 2>/dev/null; }; then
    mv .venv .venv-broken
    rm -rf .venv-broken
fi

if [ ! -e .venv ]; then
    echo "making .venv" >&2
    "$python" -m venv .venv-making
    .venv-making/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: -r deploy/embedded/installer.lock
    # Its scripts name the folder they were made in; they get the name it will have.
    .venv-making/bin/python - <<'PY'
import pathlib
for script in pathlib.Path(".venv-making/bin").iterdir():
    if script.is_file() and not script.is_symlink() and b".venv-making" in (text := script.read_bytes()) and b"\0" not in text:
        script.write_bytes(text.replace(b".venv-making", b".venv"))
PY
    mv .venv-making .venv
fi
rm -f .venv/installed

echo "installing what requirements.lock names" >&2
quiet=--quiet
[ -t 2 ] && quiet=
.venv/bin/uv pip sync $quiet --compile-bytecode --python .venv/bin/python --require-hashes --only-binary :all: requirements.lock
members=$(for member in shared services/*/ deploy/embedded cli; do printf ' -e %s' "${member%/}"; done)
# shellcheck disable=SC2086 # words on purpose
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation $members
echo "looking for Kafka in the cache, else fetching it" >&2
.venv/bin/python -m stories_embedded.jars
echo "looking for its classes there too, else having it load them once" >&2
.venv/bin/python -m stories_embedded.kafka_appcds
touch .venv/installed

#!/bin/sh
# Runs tests without servers on another Python with requirements.lock: `make test/python PYTHON=python3.13`.
# Any selection of tests may follow the interpreter; the media suite is the default.
set -eu
cd "$(dirname "$0")/.."
python=$1
shift
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
made=.venv-python$version
[ -x "$made/bin/python" ] || "$python" -m venv --without-pip "$made"
.venv/bin/uv pip sync --quiet --python "$made/bin/python" --require-hashes --only-binary :all: requirements.lock
members=$(for member in shared services/*/ deploy/embedded cli; do printf ' -e %s' "${member%/}"; done)
# shellcheck disable=SC2086 # splits words intentionally
.venv/bin/uv pip install --quiet --python "$made/bin/python" --no-deps --no-build-isolation $members
[ $# -gt 0 ] || set -- services/ingest/tests/media
exec "$made/bin/python" -m pytest "$@"

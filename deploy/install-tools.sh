#!/bin/sh
# Makes .venv-deploy: the tools that check what deploys, from deploy/tools.lock. Run by `make install/deploy`, after
# `make install`; interrupted at any moment, it starts over.
set -eu
cd "$(dirname "$0")/.."

rm -f .venv-deploy/installed
[ -x .venv-deploy/bin/python ] || .venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv-deploy
.venv/bin/uv pip sync --quiet --python .venv-deploy/bin/python --require-hashes --only-binary :all: deploy/tools.lock
touch .venv-deploy/installed

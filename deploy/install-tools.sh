#!/bin/sh
# Creates .venv-deploy: the tools that check deployment files, from deploy/tools.lock. Run by `make install/deploy` after
# `make install`; it can be interrupted at any moment and run again.
set -eu
cd "$(dirname "$0")/.."

rm -f .venv-deploy/installed
[ -x .venv-deploy/bin/python ] || .venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv-deploy
.venv/bin/uv pip sync --quiet --python .venv-deploy/bin/python --require-hashes --only-binary :all: deploy/tools.lock

# Not available as wheels: helm and actionlint, built from source, and the schemas of custom resources. The first run takes minutes.
PATH=$PWD/.venv-deploy/bin:$PATH
export PATH GOTOOLCHAIN=local
(cd deploy/tools && go build -trimpath -ldflags '-s -w' -o ../../.venv-deploy/bin/ helm.sh/helm/v3/cmd/helm github.com/rhysd/actionlint/cmd/actionlint)
.venv-deploy/bin/python deploy/tools/crds.py .venv-deploy/crds

touch .venv-deploy/installed

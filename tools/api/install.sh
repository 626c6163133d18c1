#!/bin/sh
# Creates .venv-api: the linters of the OpenAPI and AsyncAPI documents from package-lock.json, and oasdiff from go.sum.
# Run by `make install/api`; needs npm, and Go of deploy/tools.lock or the machine's.
set -eu
cd "$(dirname "$0")/../.."

command -v npm >/dev/null || { echo 'npm is missing: sudo apt-get install -y npm' >&2; exit 1; }
mkdir -p .venv-api/bin
rm -f .venv-api/installed
cp tools/api/package.json tools/api/package-lock.json .npmrc .venv-api/
npm ci --silent --prefix .venv-api

PATH=$PATH:$PWD/.venv-deploy/bin
export PATH GOTOOLCHAIN=local
(cd tools/api && go build -trimpath -ldflags '-s -w' -o ../../.venv-api/bin/ github.com/oasdiff/oasdiff)

touch .venv-api/installed

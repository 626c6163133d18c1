# Every target installs first; without changes nothing is installed, so that a later `make up` works offline.
# make PYTHON=python3.12 … uses another Python; make lock UPGRADE=1 (or UPGRADE=fastapi) upgrades pins.

PYTHON ?= python3
STORIES = .venv/bin/stories
SERVICES = ingest feed engagement expiry
SOURCES = shared services deploy cli clients tools tests benchmarks conftest.py

# System certificates; no proxy for loopback; no download of Python; one cache for all checkouts.
export UV_SYSTEM_CERTS = 1
export UV_PYTHON_DOWNLOADS = never
certificates := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem))
export REQUESTS_CA_BUNDLE ?= $(certificates)
export PIP_CERT ?= $(certificates)
comma := ,
loopback := 127.0.0.1,localhost,::1
export NO_PROXY := $(if $(NO_PROXY),$(NO_PROXY)$(comma))$(loopback)
export no_proxy := $(if $(no_proxy),$(no_proxy)$(comma))$(loopback)
cache := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/stories
cache := $(shell mkdir -p '$(cache)' 2>/dev/null && test -w '$(cache)' && echo '$(cache)' || echo '$(CURDIR)/.stories-cache')
export UV_CACHE_DIR ?= $(cache)/uv

.PHONY: install install/deploy install/api lock up demo test test/unit test/python test/minio test/nightly test/containers check \
	check/deploy check/web web clients secrets docs docs/site charts kind chaos bench release

# The stamp is in .venv, but Kafka is in the cache, so the installation is checked each time.
install: .venv/installed
	@.venv/bin/python -m stories_embedded.installed || sh deploy/embedded/install.sh $(PYTHON)

.venv/installed: deploy/embedded/install.sh requirements.lock deploy/build.lock deploy/embedded/kafka.lock \
		$(wildcard */pyproject.toml */*/pyproject.toml)
	@sh deploy/embedded/install.sh $(PYTHON)

up: install
	@$(STORIES) up

demo: install
	@$(STORIES) demo

# Modules in parallel on one set of servers; then those that need their own, with a set for each worker. Both parts run,
# even if the first fails. WORKERS=0 runs sequentially in this process.
WORKERS ?= logical
pytest = .venv/bin/python -m pytest -p tests.side_by_side -n $(WORKERS) --maxprocesses 4
in_two_parts = $(pytest) -m "$(1) and not own_servers" || status=$$?; \
	STORIES_TEST_OWN_SERVERS=1 $(pytest) -m "$(1) and own_servers" || status=$$?
test: install
	@status=0; set -x; \
	$(call in_two_parts,not needs_minio and not needs_docker and not needs_api_tools and not nightly); \
	exit $$status

# Every test without servers, tools and media encoding: under a minute.
test/unit: install
	STORIES_TEST_WITHOUT_SERVERS=1 $(pytest) -q -m "not servers and not slow and not nightly and not needs_deploy_tools and not needs_go and not needs_prometheus and not needs_docker and not needs_api_tools"

# The media tests on another supported Python: make test/python PYTHON=python3.13 [TESTS=…]
test/python: install
	@sh tests/other_python.sh $(PYTHON) $(TESTS)

# The first run builds MinIO, before any test.
test/minio: install
	@.venv/bin/python -c 'from stories_embedded import minio; minio.program()'
	STORIES_TEST_S3=minio $(pytest) -m "objects or needs_minio"

# Slow and random tests: store suites on Motor, everything on MinIO, and chaos with new seeds,
# once on three brokers and three mongods with users and TLS. All parts run.
NIGHTLY_SEEDS ?= 3
NIGHTLY_MINUTES ?= 10
NIGHTLY_REPLICATED_MINUTES ?= 5
test/nightly: install
	@status=0; set -x; \
	$(call in_two_parts,nightly); \
	$(MAKE) test/minio || status=$$?; \
	for number in $$(seq $(NIGHTLY_SEEDS)); do $(STORIES) chaos --minutes $(NIGHTLY_MINUTES) || status=$$?; done; \
	$(STORIES) chaos --replicated --secured --minutes $(NIGHTLY_REPLICATED_MINUTES) || status=$$?; \
	exit $$status

# The images and compose on a Docker daemon; without one the tests are skipped.
test/containers: install
	.venv/bin/python -m pytest -m needs_docker tests/deployment

check: install
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/python -m mypy
	.venv/bin/lint-imports

# The tools that check deployment files, in their own environment.
install/deploy: .venv-deploy/installed

.venv-deploy/installed: .venv/installed deploy/tools.lock deploy/install-tools.sh $(wildcard deploy/tools/*)
	@sh deploy/install-tools.sh

# The linters of the API's documents, and oasdiff, in a folder of their own.
install/api: .venv-api/installed

.venv-api/installed: .venv-deploy/installed tools/api/install.sh tools/api/package-lock.json tools/api/go.sum
	@sh tools/api/install.sh

check/deploy: install/deploy install/api check/web
	.venv/bin/python -m pytest -m "needs_deploy_tools or needs_go or needs_prometheus or needs_api_tools"

# The TypeScript client and the web client: generated types, compiler, tests, and the built files as they are committed.
# Needs Node 20.19 or newer with npm. `make web` builds the web client into deploy/gateway/app.
check/web: node_modules/installed
	npm run --silent types -w clients/typescript -- --check
	npm run --silent check --workspaces
	npm run --silent test --workspaces
	OUT=$(CURDIR)/web/dist npm run --silent build -w web -- --logLevel warn
	diff -r web/dist deploy/gateway/app || { echo 'deploy/gateway/app is not what web/ builds: make web' >&2; exit 1; }

web: node_modules/installed
	npm run --silent types -w clients/typescript
	npm run --silent build -w web

node_modules/installed: package-lock.json
	@command -v npm >/dev/null || { echo 'npm is missing: sudo apt-get install -y npm' >&2; exit 1; }
	npm ci --silent
	@touch $@

# The charts as packages that contain their linked files: dist/charts/*.tgz.
charts: install/deploy
	@mkdir -p dist/charts
	@for chart in ingest feed engagement expiry gateway monitoring stores stories; do \
		.venv-deploy/bin/helm package --destination dist/charts deploy/helm/$$chart 2>/dev/null || exit 1; \
	done

# A trial on Kubernetes: a kind cluster with the whole system. Says what is missing where docker or kind is not there.
kind:
	@sh deploy/kind.sh

# The clients as packages: dist/clients/*.whl, *.tar.gz and *.tgz.
clients: install node_modules/installed
	@rm -rf dist/clients && mkdir -p dist/clients
	cd clients/python && $(CURDIR)/.venv/bin/python -m hatchling build -d $(CURDIR)/dist/clients
	npm run --silent build -w clients/typescript
	npm pack --silent -w clients/typescript --pack-destination dist/clients

# make chaos [SEED=N] [MINUTES=M] [FAULTS=kill,…] [REPLICATED=1] [SECURED=1] [RERUNS=0] [FOREVER=1]
chaos: install
	@$(STORIES) chaos $(if $(SEED),--seed $(SEED)) $(if $(MINUTES),--minutes $(MINUTES)) $(if $(FOREVER),--forever) \
		$(if $(FAULTS),--faults $(FAULTS)) $(if $(REPLICATED),--replicated) $(if $(SECURED),--secured) $(if $(RERUNS),--reruns $(RERUNS))

# make bench [NAMES="tray views-taken"] [QUICK=1]: the table; JSON and plots in docs/benchmarks.
bench: install
	@$(STORIES) bench $(NAMES) $(if $(QUICK),--quick) --json docs/benchmarks/results.json --plots docs/benchmarks

# The secrets of docker-compose.yml: .env and .secrets/. Existing ones are kept.
secrets:
	@sh deploy/secrets.sh

docs: install
	@.venv/bin/python -m tools.codegen
	@test ! -e node_modules/installed || npm run --silent types -w clients/typescript

# The documentation site in site/; a warning (a dead link, a page outside of the navigation) fails the build.
docs/site: .venv-docs/installed docs/assets/vendor/mermaid.min.js
	.venv-docs/bin/mkdocs build --strict

.venv-docs/installed: .venv/installed docs/requirements.lock
	.venv/bin/uv venv --quiet --clear --python .venv/bin/python .venv-docs
	.venv/bin/uv pip sync --quiet --python .venv-docs/bin/python --require-hashes --only-binary :all: docs/requirements.lock
	@touch $@

# The theme would load Mermaid from a CDN; the site contains it instead, so that it works offline.
MERMAID = 11.17.2
MERMAID_SHA256 = 581ed7d74bd9048d0e3a91363927d72ef22942d7722546b27f7cc29e35390eb8
docs/assets/vendor/mermaid.min.js:
	@command -v npm >/dev/null || { echo 'npm is missing: sudo apt-get install -y npm' >&2; exit 1; }
	@mkdir -p $(@D)
	cd $(@D) && npm pack --silent mermaid@$(MERMAID) >/dev/null && \
		tar -xzf mermaid-$(MERMAID).tgz --strip-components=2 package/dist/mermaid.min.js && rm mermaid-$(MERMAID).tgz
	@echo '$(MERMAID_SHA256)  $@' | sha256sum --check --quiet || { rm -f $@; exit 1; }
	@touch $@

release:
	@$(PYTHON) tools/release.py $(VERSION)

compile = .venv/bin/uv pip compile --quiet --python .venv/bin/python --universal --python-version 3.11 \
	--generate-hashes --no-header \
	$(if $(UPGRADE),$(if $(filter 1 yes all,$(UPGRADE)),--upgrade,--upgrade-package $(UPGRADE)))
ours = $(foreach name,shared $(SERVICES) embedded cli client,--no-emit-package stories-$(name))

lock: install
	$(compile) $(ours) --group dev pyproject.toml -o requirements.lock
	$(foreach name,$(SERVICES),$(compile) $(ours) -c requirements.lock --extra otel services/$(name)/pyproject.toml -o services/$(name)/requirements.lock &&) true
	$(compile) $(ours) -c requirements.lock cli/pyproject.toml -o cli/requirements.lock
	$(compile) -c requirements.lock deploy/build.in -o deploy/build.lock
	$(compile) deploy/tools.in -o deploy/tools.lock
	$(compile) docs/requirements.in -o docs/requirements.lock

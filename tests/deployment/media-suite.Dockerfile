# Ingest's image with what the tests need; that no package which it ships is replaced, its test checks.
ARG IMAGE
FROM ${IMAGE}
USER 0
RUN --mount=type=bind,source=requirements.lock,target=/run/requirements.lock \
    --mount=type=cache,target=/root/.cache/pip \
    "$(readlink -f "$VIRTUAL_ENV/bin/python")" -m venv /tools && \
    /tools/bin/pip --python "$VIRTUAL_ENV/bin/python" install --quiet --disable-pip-version-check --require-hashes \
        --only-binary :all: -r /run/requirements.lock
USER 10001:10001
ENV PYTHONPATH=/checkout/deploy/embedded/src
WORKDIR /checkout
ENTRYPOINT ["/usr/bin/tini", "--", "python", "-m", "pytest", "-p", "no:cacheprovider"]

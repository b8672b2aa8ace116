# The image of every Airflow service of the stack: the official one, with exactly the packages of requirements-stack.lock.
ARG BASE_IMAGE=apache/airflow:3.3.2-python3.13
FROM ${BASE_IMAGE}

# The code belongs to root, so that no task can change it; the folders that volumes are mounted to belong to the user that
# runs Airflow, and a new volume takes their owner over.
USER 0
# No version of gpg is named: an old one disappears from Debian's mirrors with each security update.
# hadolint ignore=DL3008
RUN set -eu; \
    git --version; \
    command -v gpg >/dev/null || { apt-get update -qq && apt-get install -qq -y --no-install-recommends gpg gpg-agent && \
        rm -rf /var/lib/apt/lists/*; } || echo 'gpg is missing: a source with gpg_keys will not work' >&2; \
    install -d -m 0755 /opt/airlock; \
    install -d -o 50000 -g 0 -m 2775 /opt/airlock/state /opt/airlock/sample /opt/airlock/sandbox; \
    install -d -o 50000 -g 0 -m 0750 /opt/airlock/secrets; \
    install -d -o 50000 -g 0 -m 0755 /opt/airlock/backend
USER 50000
WORKDIR /opt/airlock
ENV PATH=/opt/airlock/bin:${PATH} \
    PYTHONPATH=/opt/airlock/include \
    PYTHONUNBUFFERED=1 \
    UV_SYSTEM_CERTS=1 \
    UV_CACHE_DIR=/tmp/uv-cache \
    AIRLOCK_STATE=/opt/airlock/state

# What the base image has besides is removed: what is tested is what runs, and the lockfile stays small.
COPY requirements-stack.lock requirements-extra.txt ./
# An index of your own; one with a password belongs into a base image of yours, since arguments can be read in the image.
ARG UV_DEFAULT_INDEX
RUN --mount=type=cache,id=airlock-uv,target=/tmp/airlock-uv,uid=50000,gid=0 set -eu; umask 0002; \
    export UV_CACHE_DIR=/tmp/airlock-uv UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1; \
    command -v uv >/dev/null || { sed -n '/^uv==/,/^ *# via/p' requirements-stack.lock >/tmp/uv.txt; \
        python -m pip install --no-cache-dir --quiet --no-deps --require-hashes --requirement /tmp/uv.txt; }; \
    uv pip sync --quiet --require-hashes requirements-stack.lock; \
    sed '/--hash/d; s/ \\$//' requirements-stack.lock >/tmp/constraints.txt; \
    uv pip install --quiet --constraints /tmp/constraints.txt --requirements requirements-extra.txt; \
    rm -f /tmp/constraints.txt /tmp/uv.txt

COPY deploy/docker/airlock bin/airlock
COPY dags dags
COPY plugins plugins
COPY include include

# The lockfile is made where a package index answers; the running stack verifies it and publishes the same bytes.
USER 0
RUN --mount=type=cache,id=airlock-uv,target=/tmp/airlock-uv,uid=50000,gid=0 set -eu; \
    python -m compileall -q include; \
    UV_CACHE_DIR=/tmp/airlock-uv airlock lock --out lock
USER 50000

ARG REVISION=""
LABEL org.opencontainers.image.title="Airlock" \
      org.opencontainers.image.description="A self-managing Airflow: git push, validate, publish" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${REVISION}"

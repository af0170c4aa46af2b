#!/usr/bin/env bash
# Writes the pinned requirements files. They name versions and hashes, and no registry.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo .tools/bin/uv)
lock() { "$uv" pip compile --quiet --universal --generate-hashes --python-version 3.11 \
  --no-header --no-annotate --no-emit-index-url pyproject.toml "${@:2}" -o "$1"; }
lock requirements.txt --extra evidence --extra cluster --extra postgres --extra client --extra sign-in --extra apprise --extra otel --extra fleet --extra envoy --group dev
lock requirements-bench.txt --extra evidence --extra cluster --extra postgres --extra client --extra sign-in --extra apprise --extra otel --extra fleet --extra envoy --group dev --group bench
lock requirements-serve.txt --extra evidence --extra postgres --extra sign-in --extra apprise --extra otel --extra fleet --extra envoy

#!/usr/bin/env bash
# The benchmark, or with MODULE=bench.soak the soak, in an environment of its own: .venv-bench, from requirements-bench.txt.
# Needs `make setup` first (for the gateway itself and for uv), and what `python -m bench` asks for.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-bench
uv=$(command -v uv || echo .tools/bin/uv)

if [ ! -e "$venv/.ready" ] || [ requirements-bench.txt -nt "$venv/.ready" ]; then
  [ -x "$venv/bin/python" ] || "$uv" venv --quiet --python .venv/bin/python "$venv"
  "$uv" pip install --quiet --python "$venv/bin/python" --require-hashes -r requirements-bench.txt
  "$uv" pip install --quiet --python "$venv/bin/python" --no-deps --no-build-isolation -e .
  touch "$venv/.ready"
fi
exec "$venv/bin/python" -m "${MODULE:-bench}" "$@"

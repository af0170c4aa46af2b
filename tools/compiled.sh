#!/usr/bin/env bash
# Builds .venv-compiled: Sluicegate with the decision and the engine compiled by mypyc from the same source.
# The build runs in a copy, for compiled modules beside the source would be taken in its place. Needs a C compiler.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$(command -v uv || echo "$PWD/.tools/bin/uv")
command -v cc >/dev/null || { echo "No C compiler here. On Debian or Ubuntu: apt-get install gcc" >&2; exit 1; }

copy=out/compiled
rm -rf "$copy" && mkdir -p "$copy"
cp -r pyproject.toml README.md LICENSE src "$copy/"
(cd "$copy" && HATCH_BUILD_HOOK_ENABLE_MYPYC=true "$uv" build --quiet --wheel --no-build-isolation \
  --python ../../.venv/bin/python --out-dir wheel .)
[ -x .venv-compiled/bin/python ] || "$uv" venv --quiet --python .venv/bin/python .venv-compiled
"$uv" pip install --quiet --python .venv-compiled/bin/python --require-hashes -r requirements.txt
"$uv" pip install --quiet --python .venv-compiled/bin/python --no-deps --reinstall "$copy"/wheel/*.whl
echo "Ready: .venv-compiled/bin/sluicegate simulate gb-day --policy allocation"

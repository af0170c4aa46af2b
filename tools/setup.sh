#!/usr/bin/env bash
# Builds .venv from requirements.txt. Needs Python >= 3.11 and nothing else: uv is brought in if missing.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
  echo "Sluicegate needs Python 3.11 or newer; '$python' is not. Name another one: make setup PYTHON=python3.12" >&2
  exit 1
}

uv=$(command -v uv || true)
if [ -z "$uv" ]; then
  echo "uv is not here: bringing it in (.tools)"
  "$python" -m venv .tools 2>/dev/null || {
    rm -rf .tools
    echo "This Python cannot make a virtual environment. On Debian or Ubuntu: apt-get install python3-venv" >&2
    exit 1
  }
  .tools/bin/python -m pip install --quiet --disable-pip-version-check "uv==${UV_VERSION}"
  uv=.tools/bin/uv
fi

[ -x .venv/bin/python ] || "$uv" venv --quiet --python "$python" .venv
"$uv" pip install --quiet --python .venv/bin/python --require-hashes -r "${REQUIREMENTS:-requirements.txt}"
# The build tools are pinned above too, so that building the package itself reaches for nothing.
"$uv" pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
echo "Ready: .venv/bin/sluicegate --help"

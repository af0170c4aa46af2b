#!/usr/bin/env bash
# Writes the Python code of rls.proto anew, or into another folder: bash tools/protobuf.sh [FOLDER].
set -euo pipefail
cd "$(dirname "$0")/.."
source=src/sluicegate/gateway/asked/wire
.venv/bin/python -m grpc_tools.protoc -I "$source" --python_out="${1:-$source}" --pyi_out="${1:-$source}" rls.proto

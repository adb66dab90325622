#!/usr/bin/env bash
# Before a release: the fast tests under the lower bounds of pyproject.toml, or, with "highest", under the newest versions.
#   tests/floors.sh [lowest-direct|highest] [pytest arguments]
# PYTHON chooses the interpreter: PYTHON=3.13 tests/floors.sh highest
set -euo pipefail
cd "$(dirname "$0")/.."
resolution=${1:-lowest-direct}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
uv venv --quiet --python "${PYTHON:-3.11}" "$folder/env"
uv pip install --quiet --python "$folder/env/bin/python" --resolution "$resolution" \
  --editable '.[plot,table,catalog]' 'pytest>=8' 'hypothesis>=6.100'
SKYLATTICE_NUMBA_CACHE=1 "$folder/env/bin/python" -m pytest -q -p no:cacheprovider -m "not slow and not long" \
  tests/io tests/simulation tests/observables tests/cli tests/test_schema.py tests/test_arrays.py tests/test_stacking.py \
  tests/test_hamiltonian.py tests/test_accessor.py tests/test_catalog.py "${@:2}"

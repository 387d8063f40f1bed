#!/usr/bin/env bash
# Builds the wheel, installs it into an environment of its own and asks for its version.
set -euo pipefail

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
.venv/bin/python -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir dist .
.venv/bin/python -m venv "$place/venv"
"$place/venv/bin/python" -m pip install --quiet --require-hashes -r requirements.lock
"$place/venv/bin/python" -m pip install --quiet --no-deps dist/perdure-*.whl
cd "$place" && "$place/venv/bin/perdure" --version

#!/usr/bin/env bash
# Makes .venv with the newest Python of this machine that is new enough and can make environments.
set -euo pipefail

for python in python3.13 python3.12 python3.11 python3 python; do
    if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "Making .venv with $("$python" --version)"
        exec "$python" -m venv --clear .venv
    fi
done

echo "Perdure needs Python 3.11 or newer with its venv module" \
    "(on Debian and Ubuntu: apt-get install python3 python3-venv)." >&2
exit 2

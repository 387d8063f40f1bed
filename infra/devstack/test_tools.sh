#!/usr/bin/env bash
# Sees that the tests have a browser and rsync: what is on the machine, else from apt where that is
# allowed, else from the tool's own installer. What cannot be had is said loudly; only the tests
# that need it are left out then.
set -uo pipefail

install_from_apt() {
    command -v apt-get >/dev/null || return 1
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        sudo -n true 2>/dev/null || return 1
        as_root=(sudo -n)
    fi
    echo "Installing $1 with apt"
    "${as_root[@]}" apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$1" >/dev/null
}

have_browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome ||
        .venv/bin/python - <<'PYTHON'
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not Path(playwright.chromium.executable_path).exists())
PYTHON
}

missing() {
    printf '\n%s\n%s\n%s\n\n' \
        "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!" \
        "!!! $1 cannot be had on this machine: its tests are LEFT OUT" \
        "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!" >&2
}

have_browser >/dev/null 2>&1 || install_from_apt chromium ||
    .venv/bin/playwright install chromium || missing "A browser"
command -v rsync >/dev/null || install_from_apt rsync || missing "rsync"

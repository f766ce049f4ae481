#!/bin/sh
# Makes sure that the browser tests find a Chromium: the system's, or Playwright's own, or else one is installed.
set -eu
: "${BIN:=.venv/bin}"

for name in chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then exit 0; fi
done
own=$("$BIN/python" -c 'from playwright.sync_api import sync_playwright as p
with p() as playwright: print(playwright.chromium.executable_path)')
if [ -x "$own" ]; then exit 0; fi

sudo=
if [ "$(id -u)" != 0 ]; then sudo=sudo; fi
# Ubuntu's chromium package is only a pointer to a snap, which containers cannot run.
if [ "$(. /etc/os-release 2>/dev/null && echo "$ID")" = debian ]; then
    echo "Installing Chromium for the browser tests (apt)."
    $sudo apt-get update -qq && $sudo apt-get install -y -qq chromium >/dev/null && exit 0
fi
echo "Installing Chromium for the browser tests (Playwright)."
"$BIN/python" -m playwright install --with-deps chromium || {
    echo "No browser could be installed. Please install Chromium or Chrome, then run this again." >&2
    exit 1
}

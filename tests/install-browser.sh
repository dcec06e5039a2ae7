#!/bin/sh
# The browser in which the HTML report is tested: installs Debian's Chromium where there is none and
# that can be done without asking, else says what to install. The suite skips those tests without it.
set -eu
for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome chrome; do
    if [ -n "$name" ] && command -v "$name" >/dev/null; then exit 0; fi
done
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -yqq --no-install-recommends chromium >/dev/null
else
    echo "no Chromium: install it (chromium), or set CHROMIUM=path, to test the HTML report" >&2
fi

#!/usr/bin/env bash
# Builds the wheel and uses it where nothing else is installed; then again where no compiler is.
# Usage: wheel.sh PYTHON (one that has the `build` package)
set -euo pipefail
cd "$(dirname "$0")/.."
python=$1
unset DEDUP_KERNEL # each installation picks its own here
unset PYTHONPATH   # what lies there would run in the wheel's place
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# From a copy of what would be published, so that no file built in place slips in.
"$python" -m build --sdist --outdir "$work/sdist" . >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
mkdir "$work/source"
tar -xzf "$work"/sdist/*.tar.gz -C "$work/source" --strip-components 1

try() { # NAME EXPECTED_KERNEL BUILD_ENVIRONMENT...
    local name=$1 expected=$2
    shift 2
    rm -rf "$work/source/build"
    env "$@" "$python" -m pip wheel --quiet --no-deps --wheel-dir "$work/$name" "$work/source"
    "$python" -m venv "$work/$name-venv"
    "$work/$name-venv/bin/pip" install --quiet "$work/$name"/*.whl
    cp examples/harbour-news.html "$work/page.html"
    cd "$work"
    version=$("$work/$name-venv/bin/dedup" --version)
    echo "$name: $version"
    [[ $version == *"$expected"* ]] || { echo "expected the $expected kernel" >&2; exit 1; }
    status=0
    "$work/$name-venv/bin/dedup" check page.html --format json >"$work/$name.json" || status=$?
    [[ $status == 1 ]] || { echo "dedup check exited $status, expected 1" >&2; exit 1; }
    cd - >/dev/null
}

try compiled native
try uncompiled reference CC=/nonexistent/cc
# Times differ between two runs; nothing else may.
strip() { sed -E 's/"(first|last)_seen": "[^"]*"/"time"/g' "$1"; }
diff <(strip "$work/compiled.json") <(strip "$work/uncompiled.json")
echo "wheel: both kernels installed, same report"

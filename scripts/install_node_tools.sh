#!/bin/sh
# Install the node packages of a folder; without node, the tests that need them are skipped.
set -eu
cd "$1"
if ! node --version >/dev/null 2>&1 || ! npm --version >/dev/null 2>&1; then
    echo "node and npm were not found: what takes $1 is not tested" >&2
    exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
touch node_modules/.installed

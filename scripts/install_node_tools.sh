#!/bin/sh
# Install the Postman tools where node is there; the tests that need them are skipped where not.
set -eu
cd postman
if ! node --version >/dev/null 2>&1 || ! npm --version >/dev/null 2>&1; then
    echo "node and npm were not found: the Postman collection is not tested" >&2
    exit 0
fi
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
touch node_modules/.installed

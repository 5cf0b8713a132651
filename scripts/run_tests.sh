#!/bin/sh
# Run the suite in the given environment, then, where such a Python is found, what depends on
# OctoBot on its other line: 2.0 goes with Python 3.10 and 3.11, 2.1 with 3.12 and 3.13.
# TEST_LINES=one leaves the other line out, for a job that has another one beside it.
# usage: run_tests.sh FOLDER [PYTEST-ARGUMENT...]
set -eu
folder=$1
shift

# Tests start processes all the time: each would compile everything anew.
unset PYTHONDONTWRITEBYTECODE

# Each worker boots its own bots, about 300 MB: four are enough, and two more than there are cores
# work while others wait for time to pass. A file's tests share theirs.
workers=$(($(nproc) + 2))
[ "$workers" -le 4 ] || workers=4

summaries=$(mktemp -d)
trap 'rm -rf "$summaries"' EXIT

run_in() { # ENVIRONMENT SUMMARY [PYTEST-ARGUMENT...]
    environment=$1
    summary=$2
    shift 2
    "$environment/bin/python" scripts/run_line.py "$environment" "$summaries/$summary" \
        "$workers" "$@"
}

other=$("$folder/bin/python" -c \
    'import sys; print("newer" if sys.version_info < (3, 12) else "older")')
installing=
if [ "${TEST_LINES:-all}" = all ] && scripts/find_python.sh "$other" >/dev/null; then
    make --no-print-directory ".venv-$other/.installed-dev" & # meanwhile
    installing=$!
fi

failed=0
run_in "$folder" first "$@" || failed=1
if [ -n "$installing" ]; then
    wait "$installing"
    export KILLS="${KILLS:-5}" # the first line's are what proves it
    # 5: none of the tests that were asked for depends on OctoBot
    run_in ".venv-$other" second --second-line "$@" || [ $? -eq 5 ] || failed=1
else
    echo "The $other OctoBot line is not tested here: no Python for it was found or asked for."
fi
# last, so that the end of a log says what failed in either line
cat "$summaries"/* 2>/dev/null || true
exit "$failed"

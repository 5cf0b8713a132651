#!/bin/sh
# Print a Python that really runs: any supported one, or one for the older or newer OctoBot line.
# usage: find_python.sh any|older|newer        (no output and status 1 when there is none)
set -u

case "${1:-any}" in
    any) lowest=10 highest=13 ;;
    older) lowest=10 highest=11 ;;
    newer) lowest=12 highest=13 ;;
    *) echo "usage: $0 any|older|newer" >&2; exit 2 ;;
esac

# A name on PATH proves nothing: a pyenv shim may stand for a version that is switched off.
# The base executable, so that an active .venv does not give birth to its own successor.
print_if_it_fits() {
    "$1" -c "
import sys
if not (3, $lowest) <= sys.version_info[:2] <= (3, $highest):
    raise SystemExit(1)
print(sys._base_executable)" 2>/dev/null
}

candidates() {
    [ -n "${PYTHON:-}" ] && echo "$PYTHON"
    for name in python3 python python3.13 python3.12 python3.11 python3.10; do
        command -v "$name"
    done
    for version in 3.13 3.12 3.11 3.10; do
        ls -d "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python 2>/dev/null
    done
    if command -v uv >/dev/null; then
        for version in 3.13 3.12 3.11 3.10; do
            uv python find --no-project --offline "$version" 2>/dev/null
        done
    fi
}

candidates | {
    while IFS= read -r candidate; do
        print_if_it_fits "$candidate" && exit 0
    done
    exit 1
}

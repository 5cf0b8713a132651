#!/bin/sh
# Install the backend into a virtual environment, which is made if need be.
# usage: install.sh FOLDER any|older|newer EXTRA
set -eu
folder=$1 line=$2 extra=$3

if ! "$folder/bin/python" -m pip --version >/dev/null 2>&1; then
    if ! python=$(scripts/find_python.sh "$line"); then
        echo "No Python 3.10, 3.11, 3.12 or 3.13 was found on PATH, under ~/.pyenv or with uv." >&2
        echo "(python3 here: $(python3 --version 2>&1))" >&2
        echo "Install one, or name it: make PYTHON=/path/to/python" >&2
        exit 1
    fi
    echo "Making $folder with $("$python" --version) ($python)"
    "$python" scripts/make_venv.py "$folder"
    "$folder/bin/python" -m pip install --quiet --disable-pip-version-check --upgrade pip
fi

echo "Installing into $folder; the first time this takes a minute or three"
# Without the warnings: setuptools has a long one about every editable installation.
PYTHONWARNINGS=ignore "$folder/bin/python" -m pip install --quiet --disable-pip-version-check -e ".${extra:+[$extra]}"

#!/bin/sh
# make-venv.sh PYTHON DIR: a fresh virtual environment with pip.
# Some distributions ship Python without ensurepip; there the system's own pip fills the environment.
set -eu
python=$1
dir=$2
rm -rf "$dir"
if "$python" -c 'import ensurepip' 2>/dev/null; then
    "$python" -m venv "$dir"
else
    "$python" -m venv --without-pip "$dir"
    "$python" -m pip --python "$dir/bin/python" install --quiet pip
fi

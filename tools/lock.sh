#!/bin/sh
# Writes requirements/*.txt: every dependency pinned with hashes, for all supported Pythons,
# without index lines. Run by `make lock`; `make lock UPGRADE=--upgrade` moves to newer releases.
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}
lock() {
    out=$1
    shift
    # shellcheck disable=SC2086  # UPGRADE is empty or one flag
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate ${UPGRADE:-} \
        --output-file "requirements/$out.txt" "$@"
    echo "requirements/$out.txt"
}
# The widest first: the narrower ones are constrained to the same versions.
lock check pyproject.toml --extra rich requirements/build.in requirements/test.in requirements/check.in
lock test -c requirements/check.txt pyproject.toml --extra rich requirements/build.in requirements/test.in
lock run -c requirements/check.txt pyproject.toml --extra rich requirements/build.in
lock package -c requirements/check.txt pyproject.toml
lock bench -c requirements/check.txt pyproject.toml --extra rich requirements/build.in requirements/bench.in
lock encryption --no-deps requirements/encryption.in
lock demo --no-deps requirements/demo.in
lock lock requirements/lock.in

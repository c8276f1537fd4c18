#!/bin/sh
# other-pythons.sh 3.12 3.13: the tests (without the slow ones, and those of tools and pages) on
# each of these interpreters that this machine has; the absent ones are named. The contract is run on
# the asynchronous half, which is over the other one and closer to what differs between versions.
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for candidate in "python$1" "$HOME"/.pyenv/versions/"$1".*/bin/python /opt/python/"$1"*/bin/python; do
        if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

ran="" absent=""
for version in "$@"; do
    python=$(find_python "$version")
    if [ -z "$python" ]; then
        echo "pythons: $version is ABSENT from this machine: not tested"
        absent="$absent $version"
        continue
    fi
    env=.venv-$version
    if [ ! -e "$env/.made" ] || [ requirements/test.txt -nt "$env/.made" ]; then
        tools/make-venv.sh "$python" "$env"
        pip="$env/bin/python -m pip --disable-pip-version-check install --quiet"
        $pip --no-deps --require-hashes -r requirements/test.txt
        $pip --no-deps --no-build-isolation --editable .
        touch "$env/.made"
    fi
    echo "pythons: $("$env/bin/python" --version)"
    TESTS_KINDS=default TESTS_FACES=async "$env/bin/python" -m pytest -q -n "${JOBS:-2}" --dist loadgroup -m "not stress and not slow" \
        --ignore tests/docs --ignore tests/cli --ignore tests/verify --ignore tests/operations \
        --ignore tests/transfer --ignore tests/tidy --ignore tests/surface
    ran="$ran $version"
done
echo "pythons: passed on${ran:- none of them}; absent:${absent:- none}"

#!/bin/sh
# Prints the first Python >= 3.11 on the path. PYTHON= on make's command line overrides it.
for name in python3.11 python3 python python3.12 python3.13 python3.14; do
    path=$(command -v "$name" 2>/dev/null) || continue
    if "$path" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        echo "$path"
        exit 0
    fi
done

#!/bin/sh
# Installs PostgreSQL 15 from the distribution when it is not there; needs root for that. Prints the
# directory of its programs. No cluster is made: benchmarks/peers/postgres.py makes one of its own.
set -eu
version=15
programs=/usr/lib/postgresql/$version/bin
if [ ! -x "$programs/initdb" ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "PostgreSQL $version is not installed: apt-get install postgresql-$version, as root" >&2
        exit 1
    fi
    # The package would make a cluster and start it as a service.
    mkdir -p /etc/postgresql-common/createcluster.d
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.d/benchmarks.conf
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq >&2
    apt-get install -y -qq --no-install-recommends "postgresql-$version" >&2
fi
echo "$programs"

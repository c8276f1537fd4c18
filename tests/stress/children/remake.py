"""Removes a store, makes it again and writes one event into it; prints its position."""

import sys

import pyesdb

directory, _ = sys.argv[1:]
with pyesdb.open(directory) as db:
    print("ready", flush=True)
    sys.stdin.readline()
    db.remove_store("contested")
    print(db.create_store("contested").append("s", pyesdb.NewEvent("New")).position)

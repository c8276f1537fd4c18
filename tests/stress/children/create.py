"""Creates a store when told to; prints who it was."""

import sys

import pyesdb

directory, _ = sys.argv[1:]
with pyesdb.open(directory) as db:
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        db.create_store("contested").append("s", pyesdb.NewEvent("Won"))
        print('"won"')
    except pyesdb.StoreAlreadyExists:
        print('"exists"')

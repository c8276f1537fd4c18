"""Creates stores of its own names when told to, until max_stores refuses; prints how many."""

import json
import sys

import pyesdb

directory, max_stores, number = sys.argv[1:]
config = {"max_stores": int(max_stores), "durability": "os"}
with pyesdb.open(directory, config=config) as db:
    print("ready", flush=True)
    sys.stdin.readline()
    made = 0
    try:
        for n in range(int(max_stores)):
            db.create_store(f"s-{number}-{n}")
            made += 1
    except pyesdb.LimitExceeded:
        pass
    print(json.dumps(made))

"""Two processes of row 12: one that writes until it is killed, and one that comes after it.

`python -m benchmarks.recovery write DIRECTORY ROUND` appends from many threads and prints a line
for each append that was acknowledged; it never ends by itself.
`python -m benchmarks.recovery reopen DIRECTORY ROUND BEGAN` opens the directory, reads and appends,
and prints one line of JSON: when each was done, and what the killed one's streams hold.
"""

import json
import os
import sys
import threading
import time

from benchmarks.work import BODIES

WRITERS = 16


def stream(round_: str, writer: int) -> str:
    """Where a writer writes in a round: nobody wrote there before."""
    return f"killed-{round_}-{writer}"


def write(directory: str, round_: str) -> None:
    """Append from 16 threads, for ever; `WRITER VERSION` on stdout after each answer."""
    import pyesdb

    with pyesdb.open(directory) as database:
        store = database.store()

        def work(writer: int) -> None:
            name, version = stream(round_, writer), 0
            while True:
                store.append(name, pyesdb.NewEvent("E", BODIES[version % 1000]))
                os.write(1, f"{writer} {version}\n".encode())
                version += 1

        threads = [threading.Thread(target=work, args=(n,), daemon=True) for n in range(WRITERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def reopen(directory: str, round_: str, began: float) -> dict[str, object]:
    """Milliseconds to the first read and the first append; versions that are there."""
    import pyesdb

    opening = time.monotonic()
    with pyesdb.open(directory) as database:
        store = database.store()
        newest = store.read_all(backwards=True, limit=1).first()
        read = time.monotonic()
        store.append(f"after-{round_}", pyesdb.NewEvent("E", BODIES[0]))
        appended = time.monotonic()
        found = {
            writer: [event.version for event in store.read(stream(round_, writer), missing_ok=True)]
            for writer in range(WRITERS)
        }
    if newest is None:
        raise ValueError("the store has no event")
    return {
        "read_ms": (read - opening) * 1e3,
        "append_ms": (appended - opening) * 1e3,
        "process_ms": (appended - began) * 1e3,
        "gaps": [writer for writer, at in found.items() if at != list(range(len(at)))],
        "events": {str(writer): len(at) for writer, at in found.items()},
    }


if __name__ == "__main__":
    match sys.argv[1:]:
        case "write", directory, round_:
            write(directory, round_)
        case "reopen", directory, round_, began:
            print(json.dumps(reopen(directory, round_, float(began))))
        case _:
            sys.exit(__doc__)

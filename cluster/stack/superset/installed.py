"""Superset's own environment: made once in the cache folder, of exactly the packages of its lock file."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

from catalog.errors import Unavailable
from cluster.waiting import alone

PYTHON = "3.11"
"""Its pins have no wheels for those after 3.12."""
LOCK = resources.files(__package__) / "requirements.lock"


def installed(cache: Path) -> Path:
    """The folder of the environment's programs, made at the first call; another lock is another folder.

    Raises Unavailable when it cannot be made.
    """
    lock = LOCK.read_bytes()
    target = cache / f"superset-{hashlib.sha256(lock).hexdigest()[:12]}"
    with alone(cache / "superset.lock"):
        # Programs name their own folder, so it is made where it stays; the note says that it is whole.
        if not (target / "whole").exists():
            shutil.rmtree(target, ignore_errors=True)
            _uv("venv", "--quiet", "--python", PYTHON, str(target))
            (target / "requirements.lock").write_bytes(lock)
            _uv(
                *("pip", "sync", "--quiet", "--require-hashes", "--compile-bytecode"),
                *("--python", str(target / "bin" / "python"), str(target / "requirements.lock")),
            )
            (target / "whole").touch()
    return target / "bin"


def _uv(*words: str) -> None:
    program = Path(sys.executable).parent / "uv"
    if not program.exists():
        raise Unavailable("uv is not installed", hint="`make setup` installs it")
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable("Superset cannot be installed", hint=done.stderr.strip()[-500:], step=words[0])

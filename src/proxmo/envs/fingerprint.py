"""A name for data by its contents: other data behind the same path has another name."""

from __future__ import annotations

import hashlib
from pathlib import Path


def of_files(path: Path) -> str:
    """Digest of a file, or of all files below a folder with their names, sizes and contents."""
    found = hashlib.blake2b(digest_size=16)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        found.update(f"{name} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            found.update(hashlib.file_digest(stream, "blake2b").digest())
    return found.hexdigest()

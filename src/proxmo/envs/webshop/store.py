"""What a built catalog is kept in: strings and arrays in a folder, memory-mapped.

Processes that open the same folder share its pages; what is not read takes no memory.
"""

from __future__ import annotations

import mmap
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


class RecordWriter:
    """Writes byte strings one after the other: `name.bin` and `name.offsets.npy`."""

    def __init__(self, folder: Path, name: str):
        self._blob = (folder / f"{name}.bin").open("wb")
        self._offsets_path = folder / f"{name}.offsets.npy"
        self._offsets = array("Q", [0])
        self._end = 0

    def append(self, record: bytes) -> None:
        """Add one record."""
        self._blob.write(record)
        self._end += len(record)
        self._offsets.append(self._end)

    def close(self) -> None:
        """Finish the files."""
        self._blob.close()
        np.save(self._offsets_path, np.frombuffer(self._offsets, dtype=np.uint64))


class Records(Sequence[bytes]):
    """The byte strings that a `RecordWriter` wrote, read when they are asked for."""

    def __init__(self, folder: Path, name: str):
        self._offsets = load_array(folder, f"{name}.offsets")
        with (folder / f"{name}.bin").open("rb") as blob:
            empty = self._offsets[-1] == 0  # an empty file cannot be mapped
            self._blob = b"" if empty else mmap.mmap(blob.fileno(), 0, access=mmap.ACCESS_READ)

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._blob[int(self._offsets[index]) : int(self._offsets[index + 1])]


class Postings:
    """For each key the numbers of the documents that have it, ascending.

    Files: the sorted keys as records `name.keys`, `name.starts.npy` (keys + 1 integers) and
    `name.documents.npy` (32-bit integers).
    """

    def __init__(self, folder: Path, name: str):
        self._keys = Records(folder, f"{name}.keys")
        self.starts: NDArray[np.int64] = load_array(folder, f"{name}.starts")
        self.documents: NDArray[np.int32] = load_array(folder, f"{name}.documents")

    def find(self, key: str) -> int | None:
        """The number of a key, or None where no document has it."""
        encoded = encode(key)
        at = bisect_left(self._keys, encoded)
        return at if at < len(self._keys) and self._keys[at] == encoded else None

    def of(self, key: str) -> NDArray[np.int32]:
        """The documents that have `key`."""
        number = self.find(key)
        if number is None:
            return np.empty(0, np.int32)
        return self.documents[self.starts[number] : self.starts[number + 1]]


def write_postings(folder: Path, name: str, documents: dict[str, array[int]]) -> None:
    """Write what `Postings` reads from key -> documents."""
    keys = sorted(documents, key=encode)
    write_keys(folder, name, [encode(key) for key in keys])
    lengths = [len(documents[key]) for key in keys]
    save_array(folder, f"{name}.starts", np.cumsum([0, *lengths], dtype=np.int64))
    joined = [np.frombuffer(documents[key], np.int32) for key in keys]
    save_array(folder, f"{name}.documents", np.concatenate([np.empty(0, np.int32), *joined]))


def write_keys(folder: Path, name: str, keys: Sequence[bytes]) -> None:
    """Write sorted keys."""
    writer = RecordWriter(folder, f"{name}.keys")
    for key in keys:
        writer.append(key)
    writer.close()


def encode(text: str) -> bytes:
    """UTF-8; lone surrogates, which JSON can hold, are kept as they are."""
    return text.encode("utf-8", "surrogatepass")


def save_array(folder: Path, name: str, values: NDArray[np.generic]) -> None:
    """Write an array of numbers."""
    np.save(folder / f"{name}.npy", values)


def load_array(folder: Path, name: str) -> NDArray[Any]:
    """A memory-mapped array of numbers."""
    # As a plain array: NumPy's class for mapped ones makes every small operation slower.
    return np.load(folder / f"{name}.npy", mmap_mode="r").view(np.ndarray)

"""A checksum in a file, or beside one that has no room for it: what is not as it was written is found.

In a file it travels along, and hinders no other reader: it is the comment of a zip archive, stands before the footer of
Parquet, in a comment of YAML, is a value of JSON. Files without one, of older versions, are taken as they are.
"""

import hashlib
import json
import os
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

_CHECKSUM = re.compile(rb"pdtrain sha256 [0-9a-f]{64}")
_LENGTH = len("pdtrain sha256 ") + 64
_KEY = "checksum"  # of JSON
_NO_COMMENT = b"\0\0"  # its length, which ends an archive


def with_checksum(head: bytes, tail: bytes = b"") -> bytes:
    """Content with its checksum between `head` and `tail`.

    Examples
    --------
    >>> is_intact(with_checksum(b"seed: 10 # "))
    True
    >>> is_intact(with_checksum(b"seed: 10 # ").replace(b"10", b"11"))
    False
    """
    return head + _of(hashlib.sha256(head + tail)) + tail


def is_intact(content: bytes) -> bool:
    """Whether content is as it was written; where it has no checksum, that is supposed."""
    found = list(_CHECKSUM.finditer(content))
    if not found:
        return True
    start, end = found[-1].span()
    return _of(hashlib.sha256(content[:start] + content[end:])) == found[-1][0]


def has_checksum(content: bytes) -> bool:
    """Whether content carries a checksum."""
    return _CHECKSUM.search(content) is not None


def yaml_with_checksum(text: str) -> bytes:
    """YAML, with a comment as its last line."""
    return with_checksum(f"{text}# ".encode(), b"\n")


def json_with_checksum(content: Mapping[str, Any] | Sequence[Any], *, indent: int | None = None) -> str:
    """A record, or a list, as JSON: the checksum is the last value of the one, or in the last item of the other.

    Examples
    --------
    >>> from_json(json_with_checksum({"loss": 0.5})), from_json(json_with_checksum([1, 2]))
    ({'loss': 0.5}, [1, 2])
    """
    room = {_KEY: ""}
    text = json.dumps({**content, **room} if isinstance(content, Mapping) else [*content, room], indent=indent)
    head, quote, tail = text.rpartition('"')
    return with_checksum(head.encode(), (quote + tail).encode()).decode()


def from_json(text: str) -> Any:
    """What `json_with_checksum` was given, or any other JSON.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    text = text.strip()  # of the end of its line
    if not is_intact(text.encode()):
        raise ValueError("its checksum differs")
    try:
        content = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if isinstance(content, dict):
        content.pop(_KEY, None)
    elif isinstance(content, list) and content and isinstance(content[-1], dict) and content[-1].keys() == {_KEY}:
        content.pop()
    return content


def add_to_parquet(path: Path) -> None:
    """Put a checksum before the footer, where readers of Parquet, who look for it from the end, do not come."""
    content = path.read_bytes()
    (footer,) = struct.unpack("<I", content[-8:-4])
    end_of_pages = len(content) - 8 - footer
    path.write_bytes(with_checksum(content[:end_of_pages], content[end_of_pages:]))


def add_to_zip(path: Path) -> None:
    """Make a checksum the comment of a zip archive, such as torch's and NumPy's files are."""
    with path.open("r+b") as file:
        file.seek(-len(_NO_COMMENT), os.SEEK_END)
        assert file.read() == _NO_COMMENT
        file.seek(-len(_NO_COMMENT), os.SEEK_END)
        file.write(struct.pack("<H", _LENGTH))
        file.seek(0)
        checksum = _of(hashlib.file_digest(file, "sha256"))
        file.write(checksum)


def zip_is_intact(path: Path) -> bool:
    """Whether a zip archive is as it was written; without a checksum of ours, by those of its members."""
    if not path.is_file():  # a pipe would be waited for
        return False
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _LENGTH))
        checksum = file.read()
        if _CHECKSUM.fullmatch(checksum):
            return _of(_digest(file, size - _LENGTH)) == checksum
    try:
        with zipfile.ZipFile(path) as archive:
            without = all(member.CRC == 0 for member in archive.infolist())  # torch can be told to leave them out
            return not archive.comment and (without or archive.testzip() is None)
    except Exception:  # whatever a damaged archive brings about
        return False


def write_beside(path: Path) -> None:
    """Write the checksum of a file beside it, as `sha256sum -c` reads it."""
    _beside(path).write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")


def remove_beside(path: Path) -> None:
    """Remove the checksum beside a file that is about to be written anew: a wrong one would tell of damage."""
    _beside(path).unlink(missing_ok=True)


def read_intact(path: Path) -> tuple[bytes, bool]:
    """A file that may have a checksum beside it, and whether it is as it was written."""
    while True:  # where it is written anew meanwhile, the checksum has gone, come or changed
        before, content, after = _read_beside(path), path.read_bytes(), _read_beside(path)
        if before == after:
            return content, before in (None, hashlib.sha256(content).hexdigest())


def _read_beside(path: Path) -> str | None:
    if not _beside(path).is_file():
        return None
    try:
        found = re.match("[0-9a-f]{64}  ", _beside(path).read_text(errors="replace"))
    except FileNotFoundError:
        return None
    return found[0].strip() if found else None


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _digest(file: BinaryIO, size: int) -> Any:
    """Of the first `size` bytes."""
    digest = hashlib.sha256()
    file.seek(0)
    while size and (part := file.read(min(size, 2**20))):
        digest.update(part)
        size -= len(part)
    return digest


def _of(digest: Any) -> bytes:
    return f"pdtrain sha256 {digest.hexdigest()}".encode()

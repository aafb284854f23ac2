import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pdtrain import checksums
from pdtrain.checksums import add_to_zip, from_json, json_with_checksum, read_intact, write_beside, zip_is_intact


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A small checkpoint."""
    torch.save({"weight": torch.arange(5.0)}, tmp_path / "x.ckpt")
    add_to_zip(tmp_path / "x.ckpt")
    return tmp_path / "x.ckpt"


def test_every_single_bit_of_an_archive_counts_but_those_that_change_nothing(archive: Path) -> None:
    content = archive.read_bytes()
    missed = []

    for bit in range(0, 8 * len(content), 7):  # each place in a byte by turns
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        archive.write_bytes(flipped)
        if zip_is_intact(archive):
            missed.append(bit)

    assert missed == [] and len(content) * 8 > 7000


def test_torch_and_zip_read_an_archive_with_a_checksum(archive: Path) -> None:
    assert torch.equal(torch.load(archive, weights_only=True)["weight"], torch.arange(5.0))
    assert torch.equal(torch.load(archive, weights_only=True, mmap=True)["weight"], torch.arange(5.0))
    assert zipfile.ZipFile(archive).testzip() is None


def test_an_archive_without_any_checksums_is_taken_as_it_is(tmp_path: Path) -> None:
    torch.serialization.set_crc32_options(False)
    try:
        torch.save({"weight": torch.arange(5.0)}, tmp_path / "x.pth")
    finally:
        torch.serialization.set_crc32_options(True)
    np.savez(tmp_path / "x.npz", values=np.arange(5))

    assert zip_is_intact(tmp_path / "x.pth") and zip_is_intact(tmp_path / "x.npz")


def test_what_lies_beside_is_checked_by_sha256sum(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss\n1,0.5\n")
    write_beside(path)
    command = ["sha256sum", "-c", "metrics.csv.sha256"]

    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 0
    path.write_text("step,loss\n1,0.7\n")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True).returncode == 1
    assert not read_intact(path)[1]


def test_a_file_that_is_written_anew_while_it_is_read_is_not_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, reads = tmp_path / "metrics.csv", []
    path.write_text("old")
    write_beside(path)
    read_beside = checksums._read_beside

    def meanwhile(of: Path) -> str | None:
        found = read_beside(of)
        if not reads:  # the writer comes between the first look at the checksum and the file
            path.write_text("new")
            write_beside(path)
        reads.append(found)
        return found

    monkeypatch.setattr(checksums, "_read_beside", meanwhile)

    assert read_intact(path) == (b"new", True) and len(reads) == 4


def test_json_that_was_never_ours_is_read(tmp_path: Path) -> None:
    assert from_json('{"a": 1}') == {"a": 1} and from_json("[]") == [] and from_json("3") == 3
    with pytest.raises(ValueError, match="checksum"):
        from_json(json_with_checksum({"a": 1}).replace("1", "2", 1))

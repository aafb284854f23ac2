import io
import os
import socket
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from pdtrain.errors import InputError
from pdtrain.stimuli.image_files import read_image, read_with_alpha, sample_files

_LEVELS = np.array([[0, 128, 255], [1, 100, 254]])


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_sixteen_bits_are_scaled_to_eight(suffix: str, tmp_path: Path) -> None:
    Image.fromarray((_LEVELS * 257).astype(np.uint16)).save(tmp_path / f"image.{suffix}")

    for channels in (1, 3):
        image = read_image(tmp_path / f"image.{suffix}", channels=channels)
        with_alpha = read_with_alpha(tmp_path / f"image.{suffix}", channels=channels)

        assert torch.equal(image, torch.from_numpy(_LEVELS).byte().expand(channels, -1, -1))
        assert torch.equal(with_alpha[:-1], image) and (with_alpha[-1] == 255).all()


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_intensities_of_unknown_range_are_refused(kind: type, tmp_path: Path) -> None:
    Image.fromarray(_LEVELS.astype(kind)).save(tmp_path / "image.tiff")

    for read in (read_image, read_with_alpha):
        with pytest.raises(InputError, match=r"image\.tiff: its intensities are of 32 bits or signed, and nothing"):
            read(tmp_path / "image.tiff", channels=3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK"])
def test_images_of_every_other_mode_are_read(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ("image.tiff" if mode == "CMYK" else "image.png")
    Image.new("RGB", (4, 3), (255, 255, 255)).convert(mode).save(path)

    assert (read_image(path, channels=3) == 255).all() and (read_with_alpha(path, channels=1) == 255).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_mid_grey(mode: str, tmp_path: Path) -> None:
    image = Image.new("RGBA", (2, 1), (255, 255, 255, 0))
    image.putpixel((1, 0), (200, 200, 200, 255))
    image.convert(mode).save(tmp_path / "image.png")

    assert read_image(tmp_path / "image.png", channels=3)[:, 0].tolist() == [[128, 200]] * 3
    assert read_image(tmp_path / "image.png", channels=1)[:, 0].tolist() == [[128, 200]]


def test_a_file_of_too_many_pixels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (50, 50)).save(tmp_path / "image.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)

    with pytest.raises(InputError, match=r"image\.png: larger than any photograph"):
        read_image(tmp_path / "image.png", channels=3)


def test_hidden_files_are_no_stimuli(tmp_path: Path) -> None:
    for name in ("a/1.tif", "a/._1.tif", ".cache/1.png", "a/1.ppm"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()

    assert sample_files(tmp_path, 1, seed=0, asked="stimuli.count=1") == [tmp_path / "a" / "1.tif"]
    with pytest.raises(InputError, match=r"1 images found, stimuli\.count=2 asked for"):
        sample_files(tmp_path, 2, seed=0, asked="stimuli.count=2")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(*, bits: int, kind: int, data: bytes, size: tuple[int, int] = (4, 1), extra: bytes = b"") -> bytes:
    """A PNG of lines that are given as they are packed."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + _chunk(b"IDAT", zlib.compress(data)) + _chunk(b"IEND", b"")


def _tiff(*, bits: int, data: bytes, white_is_zero: bool = False, kind: int = 1, order: str = "<") -> bytes:
    """A grey TIFF of 4 x 1 pixels; `kind` 1 are whole numbers, 2 signed ones, 3 floating-point ones."""
    tags = {
        256: 4,
        257: 1,
        258: bits,
        259: 1,
        262: int(not white_is_zero),
        273: 0,
        277: 1,
        278: 1,
        279: len(data),
        339: kind,
    }
    tags[273] = 8 + 2 + 12 * len(tags) + 4  # where the data begin
    entries = b"".join(struct.pack(f"{order}HHIHH", tag, 3, 1, value, 0) for tag, value in tags.items())
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", 42, 8, len(tags))
    return head + entries + struct.pack(f"{order}I", 0) + data


_SIXTEEN = (0, 32768, 65535, 257)
_BIG, _LITTLE = struct.pack(">4H", *_SIXTEEN), struct.pack("<4H", *_SIXTEEN)
_COLOURS = b"\0" + b"".join(struct.pack(">3H", *[level] * 3) for level in _SIXTEEN)
_OPAQUE = b"\0" + b"".join(struct.pack(">2H", level, 65535) for level in _SIXTEEN)
_PACKED = bytes([0x00, 0x08, 0x00, 0xFF, 0xF0, 0x10])  # 0, 2048, 4095, 16 of 12 bits
_DEEP = {
    "grey": (_png(bits=16, kind=0, data=b"\0" + _BIG), [0, 128, 255, 1]),
    "grey, white transparent": (
        _png(bits=16, kind=0, data=b"\0" + _BIG, extra=_chunk(b"tRNS", b"\xff\xff")), [0, 128, 128, 1],
    ),
    "colours": (_png(bits=16, kind=2, data=_COLOURS), [0, 128, 255, 1]),
    "colours, white transparent": (
        _png(bits=16, kind=2, data=_COLOURS, extra=_chunk(b"tRNS", b"\xff" * 6)), [0, 128, 128, 1],
    ),
    "grey and alpha": (_png(bits=16, kind=4, data=_OPAQUE), [0, 128, 255, 1]),
    "2 bits": (_png(bits=2, kind=0, data=b"\0\x1b"), [0, 85, 170, 255]),
    "4 bits": (_png(bits=4, kind=0, data=b"\0\x0f\x80"), [0, 255, 136, 0]),
    "TIFF": (_tiff(bits=16, data=_LITTLE), [0, 128, 255, 1]),
    "TIFF, other byte order": (_tiff(bits=16, data=_BIG, order=">"), [0, 128, 255, 1]),
    "TIFF, white is zero": (_tiff(bits=16, data=_LITTLE, white_is_zero=True), [255, 127, 0, 254]),
    "TIFF, white is zero, 8 bits": (_tiff(bits=8, data=b"\x00\x80\xff\x01", white_is_zero=True), [255, 127, 0, 254]),
    "TIFF of 12 bits": (_tiff(bits=12, data=_PACKED), [0, 128, 255, 1]),
}  # fmt: skip


@pytest.mark.parametrize("name", _DEEP)
def test_images_of_any_depth_are_scaled_by_their_range(name: str, tmp_path: Path) -> None:
    content, levels = _DEEP[name]
    path = tmp_path / ("image.tiff" if "TIFF" in name else "image.png")
    path.write_bytes(content)

    for channels in (1, 3):
        assert read_image(path, channels=channels).tolist() == [[levels]] * channels


_NO_WHITE = {
    "signed": _tiff(bits=16, data=_LITTLE, kind=2),
    "32 bits": _tiff(bits=32, data=bytes(16)),
    "32 bits, signed": _tiff(bits=32, data=bytes(16), kind=2),
    "floating point": _tiff(bits=32, data=np.linspace(0, 1, 4, dtype="<f4").tobytes(), kind=3),
    "floating point, other byte order": _tiff(bits=32, data=np.ones(4, ">f4").tobytes(), kind=3, order=">"),
    "floating point of 16 bits": _tiff(bits=16, data=_LITTLE, kind=3),
    "floating point of 64 bits": _tiff(bits=64, data=bytes(32), kind=3),
}


@pytest.mark.parametrize("name", _NO_WHITE)
def test_where_nothing_says_which_intensity_is_white_an_image_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "image.tiff").write_bytes(_NO_WHITE[name])

    with pytest.raises(InputError, match=r"image\.tiff: (its intensities .* save it with|corrupt .* convert)"):
        read_image(tmp_path / "image.tiff", channels=3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16"])
def test_images_are_turned_as_their_exif_says(suffix: str, mode: str, tmp_path: Path) -> None:
    if (suffix, mode) in (("jpg", "RGBA"), ("jpg", "I;16"), ("webp", "I;16"), ("webp", "L")):
        pytest.skip("no such file")
    levels = np.kron(np.array([[0, 80, 160], [40, 120, 250]], dtype=np.uint8), np.ones((16, 16), dtype=np.uint8))
    seen = {
        1: levels, 2: levels[:, ::-1], 3: levels[::-1, ::-1], 4: levels[::-1],
        5: levels.T, 6: levels[::-1].T, 7: levels[::-1, ::-1].T, 8: levels[:, ::-1].T, 9: levels,
    }  # fmt: skip
    plain = Image.fromarray(levels.astype(np.uint16) * 257 if mode == "I;16" else levels)
    for orientation, expected in seen.items():
        exif, path = Image.Exif(), tmp_path / f"{orientation}.{suffix}"
        exif[274] = orientation
        plain.convert(mode).save(path, exif=exif, quality=100, lossless=True)

        colours, with_alpha = read_image(path, channels=3), read_with_alpha(path, channels=1)

        torch.testing.assert_close(colours[0].int(), torch.from_numpy(expected.copy()).int(), atol=4, rtol=0)
        assert torch.equal(with_alpha[0], colours[0])


def _saved(form: str, **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(256, size=(20, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file := io.BytesIO(), form, **options)
    return file.getvalue()


_FORMS = {
    "PNG": _saved("PNG"),
    "JPEG": _saved("JPEG"),
    "BMP": _saved("BMP"),
    "WEBP": _saved("WEBP"),
    "GIF": _saved("GIF"),
    "TIFF": _saved("TIFF"),
    "TIFF, packed": _saved("TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("form", _FORMS)
def test_of_a_file_that_was_cut_or_changed_nothing_comes_but_an_image_or_one_line(form: str, tmp_path: Path) -> None:
    whole, path, rng = _FORMS[form], tmp_path / "image.png", np.random.default_rng(0)
    path.write_bytes(whole)
    shown = read_image(path, channels=3)

    for place in [
        *range(0, len(whole) - 1, len(whole) // 40),
        len(whole) - 2,
    ]:  # the last byte may be none of the image
        path.write_bytes(whole[:place])
        try:
            assert torch.equal(read_image(path, channels=3), shown), "of half an image nothing is shown"
        except InputError as error:
            assert "image.png: corrupt" in str(error)
    for _ in range(100):
        changed = bytearray(whole)
        for place in rng.integers(len(whole) // 8, size=3):
            changed[place] = rng.integers(256)
        path.write_bytes(changed)
        try:
            assert len(read_image(path, channels=3)) == 3
        except InputError as error:
            assert str(path) in str(error) and "\n" not in str(error)


def _bomb(path: Path, width: int, height: int) -> None:
    """A small file of very many pixels."""
    lines = zlib.compressobj(9)
    line = bytes(1 + width // 8 + 1)
    data = b"".join(lines.compress(line) for _ in range(height)) + lines.flush()
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", data) + _chunk(b"IEND", b""))


def _postscript(path: Path) -> None:
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(mark) (w) file closefile showpage\n%%EOF\n")


def _text_bomb(path: Path) -> None:
    told = PngImagePlugin.PngInfo()
    told.add_text("comment", "x" * 2**26, zip=True)
    Image.new("L", (4, 4)).save(path, "PNG", pnginfo=told)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        here = os.getcwd()
        os.chdir(path.parent)  # its address may not be long
        opened.bind(path.name)
        os.chdir(here)


_HOSTILE: dict[str, Callable[[Path], object]] = {
    "EPS": _postscript,
    "EPS with a preview": lambda path: path.write_bytes(b"\xc5\xd0\xd3\xc6\x1e" + bytes(25) + b"%!PS-Adobe-3.0"),
    "PDF": lambda path: path.write_bytes(b"%PDF-1.4\n"),
    "PPM": lambda path: path.write_bytes(b"P6 1 1 255 abc"),
    "ICO": lambda path: Image.new("RGB", (16, 16)).save(path, "ICO"),
    "TGA": lambda path: Image.new("RGB", (16, 16)).save(path, "TGA"),
    "PCX": lambda path: Image.new("RGB", (16, 16)).save(path, "PCX"),
    "SGI": lambda path: Image.new("RGB", (16, 16)).save(path, "SGI"),
    "JPEG 2000": lambda path: path.write_bytes(b"\0\0\0\x0cjP  \r\n\x87\n"),
    "an SVG": lambda path: path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>"),
    "a page": lambda path: path.write_text("<html>404</html>"),
    "a pickle": lambda path: path.write_bytes(b"\x80\x04cos\nsystem\n(S'touch mark'\ntR."),
    "an archive": lambda path: path.write_bytes(b"PK\x03\x04" + bytes(60)),
    "a pointer of Git LFS": lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\nsize 9\n"),
    "an empty file": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(1000)),
    "a header alone": lambda path: path.write_bytes(_FORMS["PNG"][:33]),
    "no pixels": lambda path: path.write_bytes(_png(bits=8, kind=0, data=b"", size=(0, 0))),
    "no columns": lambda path: path.write_bytes(_png(bits=8, kind=0, data=b"\0" * 4, size=(0, 4))),
    "a bitmap of no pixels": lambda path: path.write_bytes(b"BM6\0\0\0\0\0\0\0006\0\0\0(" + bytes(39)),
    "a bomb": lambda path: _bomb(path, 20_000, 10_000),
    "half a bomb": lambda path: _bomb(path, 10_000, 10_000),
    "a claim": lambda path: path.write_bytes(_png(bits=8, kind=0, data=b"", size=(2**31 - 1, 2**31 - 1))),
    "a bomb of text": _text_bomb,
    "a thread": lambda path: Image.new("L", (1, 60_000)).save(path, "PNG"),
    "a thread lying down": lambda path: Image.new("L", (20_000, 2)).save(path, "PNG"),
    "a pipe": os.mkfifo,
    "a socket": _socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a terminal": lambda path: path.symlink_to("/dev/tty"),
    "standard input": lambda path: path.symlink_to("/proc/self/fd/0"),
    "a folder": Path.mkdir,
    "a link to a folder": lambda path: path.symlink_to("."),
    "a link to nowhere": lambda path: path.symlink_to("nowhere.png"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to a pipe": lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
    "nothing": lambda path: None,
}  # fmt: skip


@pytest.mark.timeout(120)
def test_what_is_no_image_is_one_line_and_nothing_is_run_or_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    started = []
    monkeypatch.setattr(subprocess, "Popen", lambda *arguments, **options: started.append(arguments))

    for name, make in _HOSTILE.items():
        for suffix in ("png", "jpg", "tiff"):
            path = tmp_path / name.replace(" ", "_") / f"x.{suffix}"
            path.parent.mkdir(exist_ok=True)
            (path.parent / "pipe").unlink(missing_ok=True)
            make(path)
            for read in (read_image, read_with_alpha):
                with pytest.raises(InputError) as refused:
                    read(path, channels=3)
                assert str(refused.value).startswith(f"{path}: ") and "\n" not in str(refused.value), name

    assert started == [] and not list(tmp_path.rglob("mark"))

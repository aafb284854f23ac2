from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

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
        with pytest.raises(InputError, match=r"image\.tiff: its intensities are of 32 bits, and nothing says which is"):
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

"""Walks folders of images: links are followed, and no image is met twice, by whatever name."""

import os
from collections.abc import Iterator

from pdtrain.errors import InputError

_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")  # of the formats that are read


def is_image(name: str) -> bool:
    """Whether a file of this name is an image that can be read; hidden files, as macOS adds them, are none.

    Examples
    --------
    >>> [is_image(name) for name in ("1.PNG", "._1.png", "1.ppm")]
    [True, False, False]
    """
    return name.lower().endswith(_SUFFIXES) and not name.startswith(".")


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether an entry is a folder, or a link to one; a link that leads nowhere, or in a circle, is none."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


class ImageFolders:
    """What has been met of folders of images."""

    def __init__(self) -> None:
        # class by the real path: of folders, and of images that links lead to
        self._folders: dict[str, str] = {}
        self._linked: dict[str, str] = {}

    def walk(self, folder: str, *, within: str = "", of: str = "") -> list[tuple[str, list[str]]]:
        """Folders at `folder` and below, with the sorted names of their images, both met for the first time.

        Parameters
        ----------
        folder
            Where to begin.
        within
            The folder that it is listed in, if that is one of images too.
        of
            The class of all; "" where each folder is one.

        Raises
        ------
        InputError
            If a link leads back to a folder that it is in, or to an image of another class.
        OSError
            If a folder is missing, or not to be read.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> folder = Path(tempfile.mkdtemp())
        >>> (folder / "1.png").touch()
        >>> (folder / "2.png").symlink_to("1.png")
        >>> [names for _, names in ImageFolders().walk(str(folder))]
        [['1.png']]
        """
        return sorted(self._below(folder, os.path.realpath(within) if within else None, of))

    def _below(self, folder: str, holder: str | None, of: str) -> Iterator[tuple[str, list[str]]]:
        real, label = os.path.realpath(folder), of or folder
        if holder is not None and os.path.commonpath([holder, real]) == real:
            raise InputError(f"{folder}: a link to a folder that it is in, {real}; remove it")
        if self._is_known(self._folders.get(real), label, folder):
            return
        self._folders[real] = label
        with os.scandir(folder) as entries:
            inside = sorted(
                (entry for entry in entries if not entry.name.startswith(".")), key=lambda entry: entry.name
            )
        names = []
        for entry in inside:
            if is_folder(entry):
                yield from self._below(entry.path, real, of)
            elif is_image(entry.name) and not self._is_known(self._class_of(entry, real, label), label, entry.path):
                names.append(entry.name)
        yield folder, names

    def _class_of(self, entry: os.DirEntry[str], folder: str, label: str) -> str | None:
        """The class that an image has been met in; None if it has not. One that a link leads to is remembered."""
        if not entry.is_symlink():
            return self._linked.get(os.path.join(folder, entry.name)) if self._linked else None
        real = os.path.realpath(entry.path)
        holder, name = os.path.split(real)
        met = self._linked.get(real, self._folders.get(holder) if is_image(name) else None)
        if met is None:
            self._linked[real] = label
        return met

    @staticmethod
    def _is_known(met: str | None, label: str, path: str) -> bool:
        if met not in (None, label):
            raise InputError(f"{path}: the same as one of {met}, by a link, so that it has two classes; remove one")
        return met is not None

"""Lists of image files below a folder, kept on the disk: a million files are looked for once, not at every start."""

import hashlib
import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor

from pdtrain.files import written_whole
from pdtrain.locks import one_at_a_time
from pdtrain.stimuli.image_folders import ImageFolders, is_folder, is_image

_FORMAT = 3  # raise when the file holds something else
_SETTLED = 2 * 10**9  # nanoseconds after which a change would show in a folder's time, however coarse its clock


@dataclass(frozen=True)
class FileList:
    """Image files below a folder, in the order of their class folders and names.

    Attributes
    ----------
    root
        The folder.
    classes
        Names of its class folders, sorted.
    names
        Names below `root` as bytes, shape (files,): an array, which loading processes share.
    labels
        Class folder of each file, shape (files,); -1 of those that lie in `root` itself.
    """

    root: Path
    classes: tuple[str, ...]
    names: np.ndarray
    labels: Tensor

    def path(self, index: int) -> str:
        """Where a file lies."""
        return os.path.join(self.root, os.fsdecode(self.names[index]))

    def select(self, chosen: Tensor, labels: Tensor) -> "FileList":
        """Those chosen by a mask, with these labels."""
        return FileList(self.root, self.classes, self.names[chosen.numpy()], labels)


def list_images(folder: Path, *, kept: Path | None = None) -> FileList:
    """List the images in `folder` and below its class folders; hidden files and folders are left out.

    Links are followed; what they lead to a second time is left out.

    Parameters
    ----------
    folder
        Where to look.
    kept
        Folder of lists made before; None keeps none. A list is made again when a file has been added, removed or
        renamed since, which shows in the time of its folder.

    Raises
    ------
    OSError
        If there is no such folder, or one is not to be read.
    InputError
        If a link leads back to a folder that it is in, or to an image of another class.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("cat/1.jpg", "dog/1.jpg", "dog/2.jpg"):
    ...     (folder / name).parent.mkdir(exist_ok=True)
    ...     (folder / name).touch()
    >>> listed = list_images(folder)
    >>> listed.classes, listed.labels.tolist(), listed.names[2].decode()
    (('cat', 'dog'), [0, 1, 1], 'dog/2.jpg')
    """
    if kept is None:
        return _walk(folder)[0]
    file = kept / f"{hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]}.npz"
    known = _read(file, folder)
    if known is not None:
        return known
    with one_at_a_time(file.with_suffix(".lock"), makes=f"the list of the files in {folder}"):
        return _read(file, folder) or _listed(folder, file)


def _listed(folder: Path, file: Path) -> FileList:
    """Make a list, and keep it."""
    started = time.time_ns()
    listed, changed = _walk(folder)
    if max(changed.values()) < started - _SETTLED:
        with suppress(OSError):  # no room, or not ours to write: it is made again next time
            _write(file, listed, changed)
    return listed


def _walk(root: Path) -> tuple[FileList, dict[str, int]]:
    """List the files, and when each folder was last changed, in nanoseconds."""
    with os.scandir(root) as entries:
        inside = sorted((entry.name, is_folder(entry)) for entry in entries if not entry.name.startswith("."))
    classes = [name for name, is_folder in inside if is_folder]
    names = [name for name, is_folder in inside if not is_folder and is_image(name)]
    labels, changed, met = [-1] * len(names), {"": root.stat().st_mtime_ns}, ImageFolders()
    for label, name in enumerate(track(classes, f"listing {root}", transient=True, disable=not Console().is_terminal)):
        for folder, files in met.walk(os.path.join(root, name), within=str(root), of=name):
            below = os.path.relpath(folder, root)
            changed[below] = os.stat(folder).st_mtime_ns
            names += [f"{below}/{file}" for file in files]
        labels += [label] * (len(names) - len(labels))
    return FileList(root, tuple(classes), _as_bytes(names), torch.tensor(labels, dtype=torch.long)), changed


def _as_bytes(names: list[str]) -> np.ndarray:
    return np.array([os.fsencode(name) for name in names], dtype=np.bytes_)


def _write(file: Path, listed: FileList, changed: dict[str, int]) -> None:
    with written_whole(file) as temporary:
        np.savez(
            temporary,
            format=_FORMAT,
            classes=_as_bytes(list(listed.classes)),
            names=listed.names,
            labels=listed.labels.numpy(),
            folders=_as_bytes(list(changed)),
            changed=np.array(list(changed.values())),
        )


def _read(file: Path, root: Path) -> FileList | None:
    """Read a list; None if there is none, it is torn, or one of its folders has changed."""
    try:
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays.files}
        if found["format"] != _FORMAT:
            return None
        for folder, changed in zip(found["folders"], found["changed"], strict=True):
            if os.stat(root / os.fsdecode(folder)).st_mtime_ns != changed:
                return None
        classes = tuple(os.fsdecode(name) for name in found["classes"])
        return FileList(root, classes, found["names"], torch.from_numpy(found["labels"]))
    except Exception:  # whatever a damaged file brings about
        return None

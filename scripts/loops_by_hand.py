"""Trainings as people write them, each in a process of its own that goes on by so many batches when it is asked to."""

import multiprocessing
import pickle
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2


@dataclass(frozen=True)
class Given:
    """What a loop trains with: a network, images as bytes with their labels, and what is done to images at random."""

    network: nn.Module
    training: tuple[NDArray[np.uint8], NDArray[np.int64]]
    validation: tuple[NDArray[np.uint8], NDArray[np.int64]]
    augment: tuple[nn.Module, ...]
    batch_size: int
    epochs: int


class OneByOne(Dataset[tuple[Tensor, int]]):
    """Images in memory, made ready one by one, as one would write it."""

    def __init__(self, images: Tensor, labels: Tensor, augment: Callable[[Tensor], Tensor]) -> None:
        self._images, self._labels, self._augment = images, labels, augment

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return (self._augment(self._images[index]).float() / 255 - 0.5) / 0.25, int(self._labels[index])

    def __len__(self) -> int:
        return len(self._labels)


def plain_loop(given: Given) -> Iterator[None]:
    """A training as a person would write it; it stops after each batch."""
    network, epochs = given.network.to(memory_format=torch.contiguous_format), given.epochs
    training, validation = _tensors(given.training), _tensors(given.validation)
    shown = DataLoader(OneByOne(*training, v2.Compose([*given.augment, v2.Identity()])), given.batch_size, shuffle=True)
    held_out = DataLoader(OneByOne(*validation, v2.Identity()), 250)
    optimizer = torch.optim.AdamW(network.parameters(), 0.003, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, total_steps=epochs * len(shown))
    for _ in range(epochs):
        network.train()
        loss_sum, right = 0.0, 0
        for images, labels in shown:
            optimizer.zero_grad()
            logits = network(images)
            loss = nn.functional.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
            schedule.step()
            loss_sum += loss.item() * len(labels)
            right += int((logits.argmax(1) == labels).sum())
            yield
        network.eval()
        with torch.no_grad():
            for images, labels in held_out:
                logits = network(images)
                loss_sum += nn.functional.cross_entropy(logits, labels).item() * len(labels)
                right += int((logits.argmax(1) == labels).sum())


def tuned_loop(given: Given) -> Iterator[None]:
    """The same with channels last, one kernel for all weights, and no look at what comes out."""
    network, epochs = given.network.to(memory_format=torch.channels_last), given.epochs
    (images, labels), (seen, taught) = _tensors(given.training), _tensors(given.validation)
    optimizer = torch.optim.AdamW(network.parameters(), 0.003, weight_decay=0.01, fused=True)
    steps = -(-len(images) // given.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.003, total_steps=epochs * steps)
    change = v2.Compose([*given.augment, v2.Identity()])

    def shown(chosen: Tensor) -> Tensor:
        batch = torch.stack([change(images[i]) for i in chosen]) if given.augment else images[chosen]
        return batch.contiguous(memory_format=torch.channels_last).float().div_(255).sub_(0.5).div_(0.25)

    for _ in range(epochs):
        network.train()
        for chosen in torch.randperm(len(images)).split(given.batch_size):
            nn.functional.cross_entropy(network(shown(chosen)), labels[chosen]).backward()
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            yield
        network.eval()
        with torch.no_grad():
            for some, of_some in zip(seen.split(250), taught.split(250), strict=True):
                nn.functional.cross_entropy(network((some.float() / 255 - 0.5) / 0.25), of_some)


LOOPS = {"plain": plain_loop, "tuned": tuned_loop}


def _tensors(images: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(images[0]), torch.from_numpy(images[1])


class InItsProcess:
    """A loop in a process of its own, which has the memory and the settings that it would have as a script.

    Parameters
    ----------
    loop
        `plain_loop`, `tuned_loop` or another.
    given
        What it trains with.
    threads
        Of torch; with one, processor time is counted.
    """

    def __init__(self, loop: Callable[[Given], Iterator[None]], given: Given, *, threads: int) -> None:
        self.batches, self.seconds = 0, 0.0
        context = multiprocessing.get_context("spawn")
        self._asked, theirs = context.Pipe()
        # as bytes: multiprocessing itself would share the weights, and all processes would train one network
        self._process = context.Process(target=_serve, args=(theirs, loop, pickle.dumps(given), threads), daemon=True)
        self._process.start()
        theirs.close()
        self._asked.recv()  # it is ready

    def advance(self, batches: int) -> None:
        """Train on so many batches, or as many as are left."""
        self._asked.send(batches)
        done, seconds = self._asked.recv()
        self.batches, self.seconds = self.batches + done, self.seconds + seconds

    def close(self) -> None:
        """End the process."""
        self._asked.close()
        self._process.join()


def _serve(asked: Connection, loop: Callable[[Given], Iterator[None]], given: bytes, threads: int) -> None:
    """Run a loop as far as it is asked to, and answer with the batches and the seconds of each time."""
    torch.set_num_threads(threads)
    now = time.process_time if threads == 1 else time.perf_counter
    going = loop(pickle.loads(given))
    asked.send(None)
    while True:
        try:
            batches = asked.recv()
        except EOFError:
            return
        began = now()
        done = sum(1 for _ in zip(range(batches), going, strict=False))
        asked.send((done, now() - began))

"""How probes go through layers: some side by side, and the input, which training does not change, once.

What is measured of one layer does not depend on the others. Most of it is too little at a time for all cores to share,
so that they take a layer each.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

import torch

from pdtrain.activations.layers import INPUT
from pdtrain.activations.recorder import LayerResponse
from pdtrain.results.rows import Measurement
from pdtrain.stimuli.stimulus_set import StimulusSet

_MOST = 4  # layers at once: each takes working memory of its own
Found = TypeVar("Found")


class LayerByLayer:
    """Measures layers, and keeps what was measured of the input."""

    def __init__(self) -> None:
        self._input: OnceOfInput[Measurement] = OnceOfInput()

    def measure(
        self, stimuli: StimulusSet, tasks: Iterable[tuple[LayerResponse, Callable[[], Measurement]]]
    ) -> Measurement:
        """What the task of each layer finds, in their order."""
        once = self._input.found
        return together(side_by_side(partial(once, stimuli, response, task) for response, task in tasks))


class OnceOfInput(Generic[Found]):
    """What was found of the input, for the same stimuli and units."""

    def __init__(self) -> None:
        self._stimuli: StimulusSet | None = None
        self._key: tuple[Any, ...] = ()
        self._found: Found | None = None

    def found(self, stimuli: StimulusSet, response: LayerResponse, task: Callable[[], Found]) -> Found:
        """What the task finds, or has found before where the layer is the input."""
        if response.layer.module != INPUT:
            return task()
        key = response.layer, response.representation.shape[1], tuple(response.units.tolist())
        if self._found is None or self._stimuli is not stimuli or self._key != key:
            self._stimuli, self._key, self._found = stimuli, key, task()
        return self._found


def together(parts: Iterable[Measurement]) -> Measurement:
    """All rows, in their order."""
    parts = list(parts)
    return Measurement([r for part in parts for r in part.rows], [r for part in parts for r in part.unit_rows])


def side_by_side(tasks: Iterable[Callable[[], Found]]) -> Iterator[Found]:
    """Results of tasks, in their order, on as many threads as torch uses, at most four; each is asked for when due."""
    threads = torch.get_num_threads()
    at_once = min(threads, _MOST)
    if at_once == 1:
        yield from (task() for task in tasks)
        return
    due: deque[Future[Found]] = deque()
    try:
        with ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(threads // at_once,)) as pool:
            for task in tasks:
                due.append(pool.submit(task))
                if len(due) > at_once:
                    yield due.popleft().result()
            while due:
                yield due.popleft().result()
    finally:
        for left in due:
            left.cancel()
        torch.set_num_threads(threads)  # a part of the libraries counts for all threads

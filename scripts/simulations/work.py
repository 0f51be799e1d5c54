"""Cells of a table, simulated by several processes, with the same numbers for any number of them.

Each cell is made of chunks. A chunk has random numbers of its own: those of the part, the cell's
place in the part and the chunk's place in the cell.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import starmap
from typing import Any, TypeVar

import numpy as np

from simulations.laws import Array

Cell = TypeVar("Cell")
Simulate = Callable[[Any, np.random.Generator, int], Array]
"""Takes a cell, random numbers and a number of tables; returns an array with a row for each."""

CHUNK = 25
"""Tables that one process makes at a time."""


@dataclass(frozen=True)
class Work:
    """How much to simulate, and where.

    Attributes:
        repetitions: made-up tables for each cell.
        executor: of the processes; None for this one.
    """

    repetitions: int
    executor: Executor | None = None

    def simulate(
        self, function: Simulate, cells: Sequence[Cell], share: float = 1.0
    ) -> Mapping[Cell, Array]:
        """Return the results of every cell, one row for each table.

        Args:
            function: see Simulate; of a module, so that processes can import it.
            cells: hashable descriptions of the cells.
            share: of the repetitions, where tables are costly.
        """
        repetitions = max(1, round(self.repetitions * share))
        part = zlib.crc32(function.__name__.encode())
        tasks = [
            (function, cell, (part, place, start), min(CHUNK, repetitions - start))
            for place, cell in enumerate(cells)
            for start in range(0, repetitions, CHUNK)
        ]
        if self.executor is None:
            chunks = list(starmap(_simulate_chunk, tasks))
        else:
            futures = [self.executor.submit(_simulate_chunk, *task) for task in tasks]
            chunks = [future.result() for future in futures]
        by_cell: dict[Cell, list[Array]] = {}
        for (_, cell, _, _), chunk in zip(tasks, chunks, strict=True):
            by_cell.setdefault(cell, []).append(chunk)
        return {cell: np.concatenate(parts) for cell, parts in by_cell.items()}


def _simulate_chunk(
    function: Simulate, cell: object, numbers: tuple[int, ...], tables: int
) -> Array:
    return function(cell, np.random.default_rng(numbers), tables)

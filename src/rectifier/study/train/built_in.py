"""The network that the settings name, sized for a table."""

from __future__ import annotations

import math

from rectifier.errors import InputError
from rectifier.study.settings import Settings
from rectifier.study.train.convolutional import CNN
from rectifier.study.train.network import MLP
from rectifier.study.train.problem import Problem


def network_for(problem: Problem, settings: Settings) -> MLP:
    """A network of ``settings`` for the inputs and outputs of ``problem``.

    Raises:
        InputError: rows that are no pictures, for a network of pictures.
    """
    columns = problem.features.matrix.shape[2]
    assert settings.hidden is not None, "settings are checked"
    sizes = (columns, settings.hidden, problem.outputs, settings.batch_norm, settings.dropout)
    if settings.network == "mlp":
        return MLP(*sizes)
    return CNN(*sizes, image=picture(problem, settings, columns))


def picture(problem: Problem, settings: Settings, columns: int) -> tuple[int, int, int]:
    """Height, width and channels of a row: as told, as the table's pictures, else a square."""
    given = settings.image
    if given is None and problem.table.images is not None:
        height, width, channels = problem.table.images.shape[1:]
        return height, width, channels
    side = math.isqrt(columns)
    height, width, channels = (*(given or (side, side)), 1)[:3]
    if height * width * channels != columns:
        told = f"is {height} x {width} x {channels}" if given else "is no square"
        raise InputError(
            f"a row of {columns} columns {told}; say what picture it is with --image, such as "
            "--image 28x28 or --image 32x32x3, or leave out --network cnn"
        )
    return height, width, channels

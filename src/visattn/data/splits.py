"""Dividing labelled images into a part to learn from and a part to measure on."""

import numpy as np
from numpy.typing import NDArray

from visattn.core.errors import ConfigError, DataError


def stratified(
    labels: NDArray[np.int64], classes: tuple[str, ...], fraction: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the sorted indices of the training and of the validation part, every class in both.

    A class of n images gives `round(n · fraction)` of them to the validation part, at least 1 and at most n - 1.
    Its choice depends on the seed and on its own images only.

    Args:
        labels: (N,) class indices.
        classes: Class names, for the message.
        fraction: Part of each class to hold out, strictly between 0 and 1.
        seed: Chooses the images, 0 or above.

    Raises:
        ConfigError: The fraction or the seed is out of range.
        DataError: A class has fewer than two images.

    >>> train, val = stratified(np.array([0, 0, 0, 0, 1, 1]), ("a", "b"), fraction=0.25, seed=0)
    >>> len(train), len(val)
    (4, 2)
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"got val_fraction={fraction}, expected a number between 0 and 1", hint="try 0.2")
    if seed < 0:
        raise ConfigError(f"got split_seed={seed}, expected 0 or above")
    held_out = []
    for index, name in enumerate(classes):
        members = np.flatnonzero(labels == index)
        if len(members) < 2:
            raise DataError(
                f"the class {name!r} has {len(members)} image, expected at least two",
                hint="one is needed to learn from and one to measure on: add images, or remove the class",
            )
        count = min(max(round(len(members) * fraction), 1), len(members) - 1)
        held_out.append(np.random.default_rng([seed, index]).permutation(members)[:count])
    val = np.sort(np.concatenate(held_out))
    return np.setdiff1d(np.arange(len(labels)), val), val

"""Batches of normalised images: what comes when depends on a seed and the epoch, never on global random state."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from visattn.core.errors import ConfigError
from visattn.data.images import Split


class Batches:
    """Shuffled, augmented batches of a training split.

    The order is a permutation drawn from (seed, epoch). Whether a sample is mirrored and where it is cropped is drawn
    from (seed, epoch, sample), so it is the same at every batch size.

    Args:
        split: The images.
        mean: Per channel in 0-1, subtracted.
        std: Per channel in 0-1, divided by.
        batch_size: Images in a batch.
        seed: 0 or above.
        flip: Mirror half of the images horizontally.
        crop_padding: Move each image by up to this many pixels in both directions; what moves in is a reflection.
        drop_last: Leave out the last batch of an epoch if it is smaller.
        device: Where the tensors go.

    Raises:
        ConfigError: An argument does not fit the images.

    >>> split = Split(np.zeros((10, 1, 8, 8), np.uint8), np.arange(10))
    >>> batches = Batches(split, (0.5,), (0.5,), 4, seed=0)
    >>> len(batches), [tuple(images.shape) for images, labels in batches.epoch(0)]
    (2, [(4, 1, 8, 8), (4, 1, 8, 8)])
    """

    def __init__(
        self,
        split: Split,
        mean: Sequence[float],
        std: Sequence[float],
        batch_size: int,
        *,
        seed: int,
        flip: bool = False,
        crop_padding: int = 0,
        drop_last: bool = True,
        device: str | torch.device = "cpu",
    ) -> None:
        self.scale, self.shift = _normalisation(split, mean, std, batch_size, device)
        side = min(split.images.shape[2:])
        if seed < 0:
            raise ConfigError(f"got seed={seed}, expected 0 or above")
        if not 0 <= crop_padding < side:
            raise ConfigError(f"got crop_padding={crop_padding}, expected 0 to {side - 1} for images of {side} pixels")
        if drop_last and batch_size > len(split):
            raise ConfigError(
                f"got batch_size={batch_size} for {len(split)} images, so that no batch is full",
                hint=f"use {len(split)} or less",
            )
        self.split = split
        self.batch_size = batch_size
        self.seed = seed
        self.flip = flip
        self.crop_padding = crop_padding
        self.drop_last = drop_last
        self.device = device

    def __len__(self) -> int:
        full, rest = divmod(len(self.split), self.batch_size)
        return full + (rest > 0 and not self.drop_last)

    def epoch(self, index: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the images (B, C, H, W) float32 and labels (B,) int64 of one epoch."""
        count = len(self.split)
        order = np.random.default_rng([self.seed, index, 0]).permutation(count)
        chance = np.random.default_rng([self.seed, index, 1])
        mirrored = (chance.random(count) < 0.5) & self.flip
        moves = chance.integers(0, 2 * self.crop_padding + 1, (count, 2))
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            chosen = order[start : start + self.batch_size]
            images = _moved(self.split.images[chosen], moves[chosen], self.crop_padding)
            images[mirrored[chosen]] = images[mirrored[chosen], :, :, ::-1]
            yield _tensors(images, self.split.labels[chosen], self.scale, self.shift)


def evaluation(
    split: Split,
    mean: Sequence[float],
    std: Sequence[float],
    batch_size: int,
    *,
    device: str | torch.device = "cpu",
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield all images and labels in their order, unaugmented, the last batch as small as it is.

    Args:
        split: The images.
        mean: Per channel in 0-1, subtracted.
        std: Per channel in 0-1, divided by.
        batch_size: Images in a batch.
        device: Where the tensors go.

    Raises:
        ConfigError: An argument does not fit the images.

    >>> split = Split(np.full((3, 1, 8, 8), 255, np.uint8), np.arange(3))
    >>> [(images.mean().item(), labels.tolist()) for images, labels in evaluation(split, (0.5,), (0.25,), 2)]
    [(2.0, [0, 1]), (2.0, [2])]
    """
    scale, shift = _normalisation(split, mean, std, batch_size, device)
    for start in range(0, len(split), batch_size):
        here = slice(start, start + batch_size)
        # a copy, because a tensor cannot share the read-only memory of a cache file
        yield _tensors(np.array(split.images[here]), split.labels[here].copy(), scale, shift)


def _normalisation(
    split: Split, mean: Sequence[float], std: Sequence[float], batch_size: int, device: str | torch.device
) -> tuple[Tensor, Tensor]:
    """Return scale and shift (C, 1, 1), for which `pixels · scale + shift` is normalised."""
    channels = split.images.shape[1]
    if not len(mean) == len(std) == channels:
        raise ConfigError(f"got {len(mean)} means and {len(std)} deviations, expected {channels}, one for each channel")
    if min(std) <= 0:
        raise ConfigError(f"got std={tuple(std)}, expected positive numbers")
    if batch_size < 1:
        raise ConfigError(f"got batch_size={batch_size}, expected at least 1")
    centre, spread = (torch.tensor(v, dtype=torch.float64)[:, None, None] for v in (mean, std))
    return (1 / (255 * spread)).to(device, torch.float32), (-centre / spread).to(device, torch.float32)


def _moved(images: NDArray[np.uint8], moves: NDArray[np.int64], padding: int) -> NDArray[np.uint8]:
    if padding == 0:
        return images
    around = np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(around, images.shape[2:], axis=(2, 3))
    return np.ascontiguousarray(windows[np.arange(len(images)), :, moves[:, 0], moves[:, 1]])


def _tensors(
    images: NDArray[np.uint8], labels: NDArray[np.int64], scale: Tensor, shift: Tensor
) -> tuple[Tensor, Tensor]:
    pixels = torch.from_numpy(images).to(scale.device).to(torch.float32)
    return pixels.mul_(scale).add_(shift), torch.from_numpy(labels).to(scale.device)

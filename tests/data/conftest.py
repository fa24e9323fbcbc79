from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def shared_data() -> Path:
    for parent in Path(__file__).resolve().parents:
        if (parent / "shared" / "data").is_dir():
            return parent / "shared" / "data"
    pytest.skip("no folder shared/data beside the repository: real data sets are not here")


@pytest.fixture
def picture() -> Callable[..., Path]:
    """Write a random RGB image, the same for the same seed."""

    def write(path: Path, seed: int = 0, size: tuple[int, int] = (20, 16)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        return path

    return write


@pytest.fixture
def photos(tmp_path: Path, picture: Callable[..., Path]) -> Path:
    """Build a folder of two classes with five images each."""
    for index, name in enumerate(("cat", "dog")):
        for i in range(5):
            picture(tmp_path / "photos" / name / f"{i}.png", seed=10 * index + i)
    return tmp_path / "photos"

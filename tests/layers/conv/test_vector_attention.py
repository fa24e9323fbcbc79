from itertools import product

import pytest
import torch

from visattn.layers.conv.coordinates import coordinates
from visattn.layers.conv.geometry import Geometry
from visattn.layers.conv.vector_attention import PairwiseWeights, PatchwiseWeights, weighted_sum


def mirror(index: int, size: int) -> int:
    return -index if index < 0 else 2 * (size - 1) - index if index >= size else index


def windows(stride: int) -> list[tuple[tuple[int, int], list[tuple[int, int]]]]:
    """List the centres on a 6×5 map and the 3×3 pixels around each."""
    centres = product(range(0, 6, stride), range(0, 5, stride))
    return [
        ((i, j), [(mirror(i + a, 6), mirror(j + b, 5)) for a, b in product((-1, 0, 1), repeat=2)]) for i, j in centres
    ]


def geometry(stride: int) -> Geometry:
    return Geometry(kernel_size=3, stride=stride, padding=1, dilation=1)


@pytest.mark.parametrize("stride", [1, 2])
def test_pairwise_weights_equal_a_loop(stride: int, randomise, image) -> None:
    weights = randomise(PairwiseWeights(3, 2, geometry(stride))).eval()
    q, k = image(3, 6, 5), image(3, 6, 5).flip(1)
    p = weights.position(coordinates(k))[0]
    found = weights(q[..., ::stride, ::stride], k)
    for number, ((i, j), around) in enumerate(windows(stride)):
        relation = torch.stack([q[:, :, i, j] - k[:, :, r, c] for r, c in around], -1)
        offset = torch.stack([p[:, i, j] - p[:, r, c] for r, c in around], -1).expand(2, -1, -1)
        logits = weights.mapping(torch.cat((relation, offset), 1)[..., None])[..., 0]
        torch.testing.assert_close(found[..., number], logits.softmax(-1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("stride", [1, 2])
def test_patchwise_weights_equal_a_loop(stride: int, randomise, image) -> None:
    weights = randomise(PatchwiseWeights(3, 2, geometry(stride))).eval()
    q, k = image(3, 6, 5), image(3, 6, 5).flip(1)
    found = weights(q[..., ::stride, ::stride], k)
    for number, ((i, j), around) in enumerate(windows(stride)):
        patch = torch.stack([k[:, :, r, c] for r, c in around], -1)
        both = torch.cat((q[:, :, i, j], patch.flatten(1)), 1)
        expected = weights.mapping(both[..., None, None]).reshape(2, 2, 9)
        torch.testing.assert_close(found[..., number], expected, rtol=0, atol=1e-12)


def test_weighted_sum_shares_weights_between_channels_modulo_the_groups() -> None:
    weights = torch.tensor([[1.0, 2.0], [10.0, 20.0]])[None, :, :, None]
    values = torch.tensor([[1.0, 1.0], [1.0, 2.0], [3.0, 0.0], [0.0, 3.0]])[None, :, :, None]
    assert weighted_sum(weights, values)[0, :, 0].tolist() == [3, 50, 3, 60]

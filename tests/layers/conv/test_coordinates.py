import torch

from visattn.layers.conv.coordinates import coordinates


def test_columns_then_rows_from_minus_one_to_one() -> None:
    found = coordinates(torch.ones(2, 5, 3, 5, dtype=torch.float64))
    assert found.shape == (1, 2, 3, 5) and found.dtype == torch.float64
    assert found[0, 0, 2].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert found[0, 1, :, 4].tolist() == [-1, 0, 1]


def test_a_line_of_one_pixel_is_at_the_start() -> None:
    assert coordinates(torch.ones(1, 1, 1, 2))[0, 1].tolist() == [[-1, -1]]

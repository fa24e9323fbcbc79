import pytest
import torch

from visattn.layers.context.attend import attend


def tokens(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("width", [4, 7])
@pytest.mark.parametrize("scale", [None, 1.0, 0.3])
def test_the_formula(width: int, scale: float | None) -> None:
    query, key, value = tokens(2, 4, 6), tokens(2, 4, 5), tokens(2, width, 5)
    weights = torch.softmax(torch.einsum("bdn,bdm->bnm", query, key) * (0.5 if scale is None else scale), dim=2)
    expected = torch.einsum("bnm,bem->ben", weights, value)
    torch.testing.assert_close(attend(query, key, value, scale=scale), expected)


def test_a_single_key_gives_its_value_to_all() -> None:
    value = tokens(2, 3, 1)
    torch.testing.assert_close(attend(tokens(2, 4, 6), tokens(2, 4, 1), value), value.expand(2, 3, 6))


def test_the_order_of_the_keys_does_not_matter() -> None:
    query, key, value, order = tokens(2, 4, 6), tokens(2, 4, 5), tokens(2, 3, 5), torch.randperm(5)
    torch.testing.assert_close(attend(query, key[..., order], value[..., order]), attend(query, key, value))

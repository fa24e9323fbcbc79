import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.context.criss_cross import CrissCross, cost, criss_cross
from visattn.layers.context.danet_pam import PAM


def randomised(channels: int = 8, **options: int) -> CrissCross:
    module = CrissCross(channels, **options).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize("recurrence", [1, 2, 3])
def test_published_parameters_do_not_grow_with_the_rounds(recurrence: int) -> None:
    assert sum(p.numel() for p in CrissCross(512, recurrence=recurrence).parameters()) == 328_321


@pytest.mark.parametrize(("recurrence", "gflops"), [(1, 8.258), (2, 16.516), (3, 24.775)])
def test_published_flops(recurrence: int, gflops: float) -> None:
    """Two per multiply-add; the paper leaves out the masked product of each position with itself."""
    masked = recurrence * 97 * 97 * (64 + 512)
    assert 2 * (cost(512, 97, 97, recurrence=recurrence).macs - masked) / 1e9 == pytest.approx(gflops, abs=5e-4)


def test_the_formula_position_by_position() -> None:
    query, key, value = image(2, 3, 4, 5), image(2, 3, 4, 5), image(2, 6, 4, 5)
    y = criss_cross(query, key, value)
    for h in range(4):
        for w in range(5):
            path = [(h, j) for j in range(5)] + [(i, w) for i in range(4) if i != h]
            keys, values = (torch.stack([t[:, :, i, j] for i, j in path], dim=2) for t in (key, value))
            weights = torch.einsum("bd,bdn->bn", query[:, :, h, w], keys).softmax(dim=1)
            torch.testing.assert_close(y[:, :, h, w], torch.einsum("bn,ben->be", weights, values))


def test_equal_logits_count_the_position_itself_once() -> None:
    """On ones at one position and zeros elsewhere, everyone on its cross receives 1 / (H + W − 1)."""
    value = torch.zeros(1, 1, 3, 4).double()
    value[0, 0, 1, 2] = 1
    y = criss_cross(torch.zeros(1, 2, 3, 4).double(), image(1, 2, 3, 4), value)
    cross = torch.zeros(3, 4).double()
    cross[1] = cross[:, 2] = 1
    torch.testing.assert_close(y[0, 0], cross / 6)


@pytest.mark.parametrize("shape", [(1, 7), (7, 1)])
def test_on_one_row_or_column_it_is_position_attention(shape: tuple[int, int]) -> None:
    module, other, x = randomised(recurrence=1), PAM(8).double(), image(2, 8, *shape)
    other.load_state_dict(module.state_dict())
    torch.testing.assert_close(module(x), other(x))


def test_rows_and_columns_are_alike() -> None:
    module, x = randomised(), image(2, 8, 4, 6)
    torch.testing.assert_close(module(x.transpose(2, 3)).transpose(2, 3), module(x))


@pytest.mark.parametrize(("recurrence", "reached"), [(1, 4 + 5 - 1), (2, 20)])
def test_two_rounds_reach_every_position(recurrence: int, reached: int) -> None:
    module, x = randomised(recurrence=recurrence), image(1, 8, 4, 5).requires_grad_()
    module(x)[0, :, 1, 2].sum().backward()
    assert (x.grad.abs().amax(dim=(0, 1)) > 1e-12).sum() == reached


def test_a_second_round_is_the_module_again() -> None:
    once, twice, x = randomised(recurrence=1), CrissCross(8, recurrence=2).double(), image(2, 8, 4, 6)
    twice.load_state_dict(once.state_dict())
    torch.testing.assert_close(twice(x), once(once(x)))


def test_errors() -> None:
    for name in ("channels", "reduction", "recurrence"):
        with pytest.raises(ShapeError, match=f"criss_cross got {name}=0, expected at least 1"):
            CrissCross(**{"channels": 8, name: 0})

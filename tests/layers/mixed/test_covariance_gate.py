import pytest
import torch
from torch import nn

from visattn.layers.mixed.covariance_gate import (
    ChannelCovariance,
    RowEmbedding,
    SpatialCovariance,
    covariance,
    embedding_params,
    published_covariance,
)


def test_covariance_is_that_of_torch() -> None:
    x = torch.randn(2, 5, 9, dtype=torch.float64)
    expected = torch.stack([torch.cov(rows, correction=0) for rows in x])
    torch.testing.assert_close(covariance(x), expected)


def test_covariance_does_not_see_an_offset_and_the_published_one_does_unless_square() -> None:
    for rows, columns in ((5, 9), (9, 9)):
        x, offset = torch.randn(1, rows, columns, dtype=torch.float64), torch.randn(1, rows, 1, dtype=torch.float64)
        torch.testing.assert_close(covariance(x + offset), covariance(x))
        seen = (published_covariance(x + offset) - published_covariance(x)).abs().max()
        assert (seen > 1e-3) == (rows != columns)


def test_published_covariance_is_the_covariance_of_as_many_numbers_as_rows() -> None:
    x = torch.randn(2, 7, 7, dtype=torch.float64)
    torch.testing.assert_close(published_covariance(x), covariance(x))


def test_published_covariance_by_hand() -> None:
    """Two rows of one number, a = 3 and b = 1: products over 2, minus products of the sums over 4."""
    matrix = published_covariance(torch.tensor([[[3.0], [1.0]]]))
    torch.testing.assert_close(matrix, torch.tensor([[[9 / 4, 3 / 4], [3 / 4, 1 / 4]]]))


def test_each_row_has_filters_of_its_own() -> None:
    """The 4 numbers of a row do not depend on the other rows; the logits do."""
    embed, matrix = RowEmbedding(6, 3, nn.Identity()).eval(), torch.randn(1, 6, 6)
    changed = matrix.clone()
    changed[:, 2] += 1
    rows = [embed.rows(embed.norm(m[..., None])).flatten() for m in (matrix, changed)]
    assert (rows[0] != rows[1]).nonzero().flatten().tolist() == [8, 9, 10, 11]
    assert (embed(matrix) != embed(changed)).all()


def test_rows_are_normalised_over_the_batch_and_the_columns() -> None:
    embed, matrix = RowEmbedding(6, 3, nn.Identity()), torch.randn(5, 6, 6)
    normed = embed.norm(matrix[..., None])
    torch.testing.assert_close(normed.mean(dim=(0, 2, 3)), torch.zeros(6), rtol=0, atol=1e-6)


def test_the_activation_is_behind_the_rows() -> None:
    embed, matrix = RowEmbedding(6, 3, nn.ReLU()), torch.randn(2, 6, 6)
    with torch.no_grad():
        embed.rows.weight.zero_()
        embed.rows.bias.fill_(-1)
        embed.expand.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(embed(matrix), torch.tensor([[1.0, 2.0, 3.0]] * 2))


@pytest.mark.parametrize(("size", "out"), [(8, 8), (5, 12)])
def test_embedding_params(size: int, out: int) -> None:
    assert embedding_params(size, out) == sum(p.numel() for p in RowEmbedding(size, out, nn.ReLU()).parameters())


def test_the_channel_gate_does_not_know_positions() -> None:
    gate, x = ChannelCovariance(8, 4, 1, nn.Identity()).eval(), torch.randn(2, 8, 4, 5)
    shuffled = x.flatten(2)[:, :, torch.randperm(20)].reshape(x.shape)
    torch.testing.assert_close(gate(shuffled), gate(x))


def test_the_channel_gate_takes_every_other_position_where_it_is_told_to() -> None:
    gate, x = ChannelCovariance(8, 4, 2, nn.Identity()).eval(), torch.randn(2, 8, 5, 6)
    changed = x.clone()
    changed[:, :, 1::2] += 1
    changed[:, :, :, 1::2] += 1
    assert torch.equal(gate(changed), gate(x))


def test_negative_features_do_not_reach_the_gates() -> None:
    x = torch.randn(2, 8, 4, 5)
    for gate in (ChannelCovariance(8, 4, 1, nn.Identity()).eval(), SpatialCovariance(8, 4, nn.ReLU()).eval()):
        assert torch.equal(gate(x.clamp(min=0)), gate(x))


def test_the_spatial_gate_repeats_its_cells() -> None:
    gate = SpatialCovariance(8, 4, nn.ReLU()).eval()(torch.randn(2, 8, 16, 24))
    torch.testing.assert_close(gate[:, :, ::2, ::3].repeat_interleave(2, 2).repeat_interleave(3, 3), gate)
    assert gate.std() > 0

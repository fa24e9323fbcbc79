import torch

from visattn.layers.gaze.copied_crop import CopiedCrop


def test_whole_pixels_are_cut_out_and_rows_come_first() -> None:
    x = torch.randn(1, 3, 12, 12)
    crop = CopiedCrop(8)(x, torch.tensor([[7.5, 4.5, 4.2]]))
    # the soft box is ½ at the first row and column, and near 1 inside
    torch.testing.assert_close(crop[:, :, 1:-1, 1:-1], x[:, :, 4:10, 1:7], rtol=0, atol=1e-3)
    torch.testing.assert_close(crop[:, :, 0, 1:-1], x[:, :, 3, 1:7] / 2, rtol=0, atol=1e-3)


def test_no_side_is_below_two_thirds_and_the_square_stays_inside() -> None:
    x, crop = torch.randn(1, 3, 12, 12), CopiedCrop(8)
    assert torch.equal(crop(x, torch.tensor([[0.0, 12.0, 1.0]])), crop(x, torch.tensor([[4.0, 8.0, 4.0]])))


def test_the_made_up_gradient_by_hand() -> None:
    """On 3×3 each third is one pixel: rows, columns and centre of −g², whatever the sign of g."""
    x = torch.randn(1, 1, 12, 12, requires_grad=True)
    region = torch.tensor([[6.0, 6.0, 4.0]], requires_grad=True)
    gradient = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]])[None, None]
    for sign in (1, -1):
        region.grad = None
        CopiedCrop(3)(x, region).backward(sign * gradient)
        down = (1 + 4 + 9) - (49 + 64 + 81)
        right = (1 + 16 + 49) - (9 + 36 + 81)
        assert region.grad.tolist() == [[down, right, 25 - (285 - 25)]]
    assert x.grad is None

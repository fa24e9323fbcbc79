import torch
from torch import nn

from visattn.layers.gaze.boxcar_crop import BoxcarCrop, boxcar, enlarge


def squares(*rows: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_box_by_hand() -> None:
    """On the edge the sigmoid is ½, and σ(ln 3) = ¾."""
    ln3 = torch.tensor(3.0, dtype=torch.float64).log().item()
    box = boxcar(squares((1.0, 0, 0))[:, :1], squares((1000.0, 0, 0))[:, :1], 3, ln3)
    torch.testing.assert_close(box, torch.tensor([[0.25, 0.5, 0.75]], dtype=torch.float64))


def test_a_sharp_mask_is_the_square() -> None:
    mask = BoxcarCrop(4, sharpness=1000).mask(squares((7.5, 2.5, 2.0)), 6, 12)
    expected = torch.zeros(1, 1, 6, 12, dtype=torch.float64)
    expected[:, :, 1:5, 6:10] = 1
    torch.testing.assert_close(mask, expected)


def test_enlarging_the_whole_image_is_resizing_it() -> None:
    x = image(2, 3, 5, 9)
    corner, side = torch.zeros(2, 2, dtype=torch.float64), torch.tensor([[8.0, 4.0]] * 2, dtype=torch.float64)
    torch.testing.assert_close(
        enlarge(x, corner, side, 17), nn.functional.interpolate(x, (17, 17), mode="bilinear", align_corners=True)
    )


def test_whole_pixels_are_cut_out() -> None:
    x = image(1, 3, 9, 12)
    crop = enlarge(x, squares((4, 2, 0))[:, :2], squares((5, 5, 0))[:, :2], 6)
    torch.testing.assert_close(crop, x[:, :, 2:8, 4:10])


def test_the_square_learns_where_a_spot_is() -> None:
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    spot = torch.exp(-((rows - 20) ** 2 + (columns - 11) ** 2) / 60)[None, None]
    centre = torch.tensor([[16.0, 16.0]], requires_grad=True)
    optimiser = torch.optim.Adam([centre], lr=0.3)
    crop = BoxcarCrop(16, sharpness=1.0)
    for _ in range(120):
        loss = -crop(spot, torch.cat((centre, torch.full((1, 1), 6.0)), dim=1)).sum()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    torch.testing.assert_close(centre.detach(), torch.tensor([[11.0, 20.0]]), rtol=0, atol=0.3)


def test_gradients_of_image_and_square() -> None:
    crop, x = BoxcarCrop(5, sharpness=2.0).double(), image(2, 2, 9, 8)
    region = squares((3.37, 4.21, 2.13), (4.11, 3.83, 1.71)).requires_grad_()
    assert torch.autograd.gradcheck(crop, (x.requires_grad_(), region))

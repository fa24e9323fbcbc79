import math

import pytest
import torch

from visattn.core.errors import ShapeError
from visattn.layers.context.danet_pam import PAM
from visattn.layers.context.non_local import NonLocal


def randomised(channels: int = 8, **options: int) -> PAM:
    module = PAM(channels, **options).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def image(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_published_parameters() -> None:
    assert sum(p.numel() for p in PAM(512).parameters()) == 328_321


def test_by_hand() -> None:
    """One channel over the positions 0 and ln 3, queries and keys the input, values ten times it, γ = 2.

    Position 0 weighs both alike. Position ln 3 has the logits 0 and (ln 3)², without a scale.
    """
    module, ln3 = PAM(1).double(), math.log(3)
    with torch.no_grad():
        for projection, weight in ((module.query, 1), (module.key, 1), (module.value, 10)):
            projection.weight.fill_(weight)
            projection.bias.zero_()
        module.gamma.fill_(2)
    x = torch.tensor([[[[0.0, ln3]]]], dtype=torch.float64)
    share = 3**ln3 / (1 + 3**ln3)
    expected = torch.tensor([[[[10 * ln3, ln3 + 20 * ln3 * share]]]], dtype=torch.float64)
    torch.testing.assert_close(module(x), expected)


def test_it_is_a_non_local_block_with_gamma_as_last_projection() -> None:
    module, x = randomised(8, reduction=1), image(2, 8, 4, 5)
    block = NonLocal(8, hidden=8, sub_sample="none", scale=False, norm=False).double()
    with torch.no_grad():
        block.output.weight.copy_(module.gamma * torch.eye(8)[..., None])
        for ours, theirs in ((block.query, module.query), (block.key, module.key), (block.value, module.value)):
            ours.weight.copy_(theirs.weight.flatten(2))
            ours.bias.copy_(theirs.bias)
    torch.testing.assert_close(module(x), block(x))


def test_positions_have_no_order() -> None:
    module, x, order = randomised(), image(2, 8, 4, 5), torch.randperm(20)
    shuffled = x.flatten(2)[:, :, order].reshape(x.shape)
    torch.testing.assert_close(module(shuffled).flatten(2), module(x).flatten(2)[:, :, order])


def test_the_bias_of_the_keys_cancels() -> None:
    module, x = randomised(), image(2, 8, 4, 5)
    expected = module(x)
    with torch.no_grad():
        module.key.bias += 3
    torch.testing.assert_close(module(x), expected)


def test_queries_keep_one_channel() -> None:
    assert PAM(64).query.out_channels == 8
    assert PAM(7).query.out_channels == 1


def test_errors() -> None:
    with pytest.raises(ShapeError, match="danet_pam got channels=0, expected at least 1"):
        PAM(0)
    with pytest.raises(ShapeError, match="danet_pam got reduction=0, expected at least 1"):
        PAM(8, reduction=0)

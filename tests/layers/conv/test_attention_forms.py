import math

import pytest
import torch
from torch import nn

from visattn.core.errors import ShapeError
from visattn.layers.conv.attention_forms import build_form, form_cost

FORMS = ["local", "window", "global", "patchwise", "pairwise"]
every_form = pytest.mark.parametrize("form", FORMS)


@every_form
@pytest.mark.parametrize("stride", [2, 3])
def test_a_stride_takes_every_nth_pixel(form: str, stride: int, randomise, image) -> None:
    plain, strided = (randomise(build_form(form, 8, 2, 5, s, 4)).eval() for s in (1, stride))
    q, k, v = image(24, 8, 7).chunk(3, dim=1)
    torch.testing.assert_close(strided(q, k, v), plain(q, k, v)[..., ::stride, ::stride], rtol=0, atol=1e-12)


@every_form
def test_parameters_are_as_priced(form: str) -> None:
    params = sum(p.numel() for p in build_form(form, 8, 2, 5, 1, 4).parameters())
    assert form_cost(form, 8, 2, 5, 1, 4, 8, 7).params == params


@pytest.mark.parametrize("form", ["local", "window", "global", "pairwise"])
def test_constant_values_are_kept(form: str, randomise, image) -> None:
    """All but the patch-wise form have weights that add up to one."""
    module = randomise(build_form(form, 8, 2, 5, 1, 4)).eval()
    q, k = image(16, 8, 7).chunk(2, dim=1)
    v = torch.arange(8.0).double()[:, None, None].expand_as(q)
    torch.testing.assert_close(module(q, k, v), v)


def test_global_attention_does_not_know_positions(randomise, image) -> None:
    module, order = build_form("global", 8, 2, 5, 1, 4), torch.randperm(56)
    q, k, v = image(24, 8, 7).chunk(3, dim=1)
    k_mixed, v_mixed = (x.flatten(2)[..., order].reshape(x.shape) for x in (k, v))
    torch.testing.assert_close(module(q, k_mixed, v_mixed), module(q, k, v))


def test_global_attention_by_hand() -> None:
    q = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    k = torch.tensor([math.log(3), 0.0]).reshape(1, 1, 1, 2)
    v = torch.tensor([4.0, 8.0]).reshape(1, 1, 1, 2)
    # the first query weighs 3 to 1, the second equally
    torch.testing.assert_close(build_form("global", 1, 1, 1, 1, 1)(q, k, v).flatten(), torch.tensor([5.0, 6.0]))


def test_a_local_window_as_large_as_the_image_sees_all_of_it(randomise, image) -> None:
    """Without positions, and for the middle pixel, whose window mirrors nothing."""
    local, whole = randomise(build_form("local", 8, 2, 5, 1, 4)), build_form("global", 8, 2, 5, 1, 4)
    nn.init.zeros_(local.position.weight)
    q, k, v = image(24, 5, 5).chunk(3, dim=1)
    torch.testing.assert_close(local(q, k, v)[..., 2, 2], whole(q, k, v)[..., 2, 2])


@pytest.mark.parametrize("form", ["local", "patchwise", "pairwise"])
def test_an_input_smaller_than_the_mirrored_border(form: str) -> None:
    x = torch.ones(1, 8, 2, 6)
    with pytest.raises(ShapeError, match="^acmix got a 2×6 input, expected height and width above 2: the border"):
        build_form(form, 8, 2, 5, 1, 4)(x, x, x)


@pytest.mark.parametrize("form", ["window", "global"])
def test_any_size_will_do_without_a_border(form: str) -> None:
    x = torch.ones(1, 8, 1, 2)
    torch.testing.assert_close(build_form(form, 8, 2, 4, 1, 4)(x, x, x), x)

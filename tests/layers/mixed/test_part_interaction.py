import pytest
import torch
from torch import Tensor

from visattn.core.errors import ShapeError
from visattn.layers.mixed.part_interaction import PartInteraction, PartRelation


def randomised(module: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(std=0.5)
    return module.eval().double()


def values(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@pytest.mark.parametrize(("width", "params"), [(256, 132_355), (512, 526_851)])
def test_published_parameters_of_a_relation(width: int, params: int) -> None:
    assert sum(p.numel() for p in PartRelation(width).parameters()) == params


def test_relation_by_hand() -> None:
    """Three parts 0, 1 and 3 of one value; the logits are the distances times ln 2.

    Part 0 sees 1 and 3 with weights 2 and 8, so 2.6; part 1 sees 0 and 3 with 2 and 4, so 2; part 3 sees 0 and 1 with
    8 and 4, so ⅓. The update is the part plus ten times what it sees.
    """
    relation = PartRelation(1).eval().double()
    with torch.no_grad():
        for norm in (relation.relation_norm, relation.update_norm):
            norm.running_var.fill_(1 - norm.eps)
        for p in (relation.relation.bias, relation.update.bias):
            p.zero_()
        relation.relation.weight.copy_(torch.tensor([[2.0, 1.0]]).log())
        relation.update.weight.copy_(torch.tensor([[1.0, 10.0]]))
    parts = torch.tensor([0.0, 1, 3], dtype=torch.float64).reshape(1, 1, 3, 1)
    expected = torch.tensor([26.0, 21, 3 + 10 / 3], dtype=torch.float64)
    result = relation(parts, torch.zeros(1, 1, dtype=torch.float64)).flatten()
    torch.testing.assert_close(result, expected, rtol=1e-6, atol=0)


def test_a_part_sees_other_parts_of_its_frame_and_itself_in_other_frames() -> None:
    relation, parts = randomised(PartRelation(4)), values(1, 3, 4, 4).requires_grad_()
    whole = values(1, 4)
    seen = torch.zeros(3, 4, dtype=torch.bool)
    relation(parts, whole)[0, 1, 2].abs().sum().backward()
    seen = parts.grad[0].abs().sum(dim=2) > 0
    expected = torch.tensor([[0, 0, 1, 0], [1, 1, 1, 1], [0, 0, 1, 0]], dtype=torch.bool)
    assert torch.equal(seen, expected)


def test_what_a_part_sees_does_not_contain_itself() -> None:
    """With the own part left out of the update, its value matters only through the weights of the others."""
    relation, parts, whole = randomised(PartRelation(4)), values(1, 1, 2, 4), values(1, 4)
    with torch.no_grad():
        relation.update.weight[:, :4].zero_()
    before = relation(parts, whole)
    parts[0, 0, 0] += 5
    after = relation(parts, whole)
    torch.testing.assert_close(after[0, 0, 0], before[0, 0, 0])
    assert not torch.allclose(after[0, 0, 1], before[0, 0, 1])


def test_the_whole_cancels_in_evaluation_and_not_in_training() -> None:
    relation, parts, whole = randomised(PartRelation(4)), values(3, 2, 4, 4), values(3, 4)
    torch.testing.assert_close(relation(parts, whole), relation(parts, 7 * whole))
    relation.train()
    assert not torch.allclose(relation(parts, whole), relation(parts, 7 * whole))


def test_renumbered_parts_and_frames_give_renumbered_results() -> None:
    relation, parts, whole = randomised(PartRelation(4)), values(2, 3, 5, 4), values(2, 4)
    for dim in (1, 2):
        order = torch.randperm(parts.shape[dim])
        shuffled = relation(parts.index_select(dim, order), whole)
        torch.testing.assert_close(shuffled, relation(parts, whole).index_select(dim, order))


def test_an_image_is_a_clip_of_one_frame() -> None:
    interaction, x = randomised(PartInteraction("siau", 6, 3)), values(2, 6, 5, 7)
    y, maps = interaction(x)
    clip, clip_maps = interaction(x[:, :, None])
    assert (y.shape, maps.shape, clip_maps.shape) == ((2, 6, 5, 7), (2, 3, 5, 7), (2, 1, 3, 5, 7))
    assert torch.equal(clip[:, :, 0], y)
    assert torch.equal(clip_maps[:, 0], maps)


def test_every_position_of_a_frame_gets_one_vector_and_every_frame_its_own() -> None:
    interaction, x = randomised(PartInteraction("stiau", 6, 3)), values(2, 6, 4, 5, 7)
    added = interaction(x)[0] - x
    torch.testing.assert_close(added, added[..., :1, :1].expand_as(added))
    assert added.std(dim=2).min() > 0


def test_parts_are_sums_over_positions() -> None:
    """A repeated image doubles every part, and leaves the whole as it is."""
    interaction, x = randomised(PartInteraction("siau", 6, 3)), values(2, 6, 5, 7)
    seen = []
    interaction.relation.register_forward_hook(lambda module, inputs, output: seen.append(inputs))
    interaction(x)
    interaction(torch.cat((x, x), dim=3))
    (parts, whole), (doubled, same) = seen
    bias = interaction.reduce.bias
    torch.testing.assert_close(doubled - bias, 2 * (parts - bias))
    torch.testing.assert_close(same, whole)


def test_odd_and_single_channels_are_taken() -> None:
    for channels in (1, 7):
        x = values(2, channels, 5, 7)
        assert randomised(PartInteraction("siau", channels, 4))(x)[0].shape == x.shape


def test_errors() -> None:
    with pytest.raises(ShapeError, match="siau got channels=0, expected at least 1"):
        PartInteraction("siau", 0, 4)
    with pytest.raises(ShapeError, match="siau got parts=1, expected at least 2: a part needs another one to look at"):
        PartInteraction("siau", 8, 1)

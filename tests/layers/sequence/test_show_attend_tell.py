import pytest
import torch

from visattn.core.errors import ConfigError, ShapeError
from visattn.layers.sequence.additive_attention import AdditiveAttention
from visattn.layers.sequence.show_attend_tell import ShowAttendTell, doubly_stochastic_penalty, hard_attention_loss


def randomised(**options: object) -> ShowAttendTell:
    module = ShowAttendTell(4, 6, **options).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def pair() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randn(2, 3, 4, dtype=torch.float64), torch.randn(2, 7, 6, dtype=torch.float64)


def test_soft_without_a_gate_is_additive_attention() -> None:
    module, plain, (query, memory) = randomised(gate=False), AdditiveAttention(4, 6).double(), pair()
    plain.load_state_dict(module.state_dict())
    context, weights, choice = module(query, memory)
    torch.testing.assert_close((context, weights), plain(query, memory))
    assert torch.equal(choice, weights)


def test_the_gate_is_one_number_per_query_or_one_per_feature() -> None:
    query, memory = pair()
    for variant, gates in (("paper", 1), ("sgrvinod", 6)):
        module = randomised(variant=variant)
        assert module.beta(query).shape == (2, 3, gates)
        context, weights, _ = module(query, memory)
        torch.testing.assert_close(context, module.beta(query) * (weights @ memory))


def test_hard_takes_the_most_probable_member_in_evaluation() -> None:
    module, (query, memory) = randomised(kind="hard", gate=False).eval(), pair()
    context, weights, _ = module(query, memory)
    best = weights.argmax(dim=2)
    assert torch.equal(context, torch.stack([memory[b][best[b]] for b in range(2)]))


def test_a_hard_draw_follows_the_weights() -> None:
    module = ShowAttendTell(4, 6, kind="hard", expected=0.0)
    weights = torch.tensor([0.5, 0.3, 0.2, 0.0]).expand(1, 20_000, 4)
    choice = module.choose(weights)
    assert torch.equal(choice.sum(dim=2), torch.ones(1, 20_000))
    torch.testing.assert_close(choice.mean(dim=1), weights[:, 0], rtol=0, atol=0.015)
    assert choice[..., 3].sum() == 0


def test_some_images_train_on_the_expected_value() -> None:
    module = ShowAttendTell(4, 6, kind="hard", expected=0.25)
    weights = torch.rand(4000, 3, 5).softmax(dim=2)
    soft = (module.choose(weights) == weights).flatten(1).all(dim=1)
    drawn = module.choose(weights).amax(dim=2) == 1
    assert soft.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(drawn.any(dim=1), drawn.all(dim=1))


def test_hard_attention_learns_where_to_look() -> None:
    """The reward is 1 where the member that the query names is drawn: from 1 in 4 to nearly always."""
    module = ShowAttendTell(4, 4, kind="hard", gate=False, attention_features=16, expected=0.0)
    optimiser = torch.optim.Adam(module.parameters(), lr=0.03)
    query, memory = torch.eye(4)[:, None], torch.eye(4).expand(4, 4, 4)
    before = module(query, memory)[1].diagonal(dim1=0, dim2=2).mean().item()
    for _ in range(300):
        _, weights, choice = module(query, memory)
        reward = (choice.detach() * query).sum(dim=(1, 2))
        optimiser.zero_grad()
        hard_attention_loss(weights, choice, reward, torch.tensor(0.5), reinforce_weight=1.0).backward()
        optimiser.step()
    after = module.eval()(query, memory)[1].diagonal(dim1=0, dim2=2).mean().item()
    assert before == pytest.approx(0.25, abs=0.05)
    assert after > 0.9


def test_the_penalty_spreads_the_weights_over_a_caption() -> None:
    weights = randomised()(*pair())[1]
    assert doubly_stochastic_penalty(weights) > doubly_stochastic_penalty(torch.full((2, 3, 7), 1 / 7))


def test_published_parameters() -> None:
    module = ShowAttendTell(512, 2048, attention_features=512, gate=False, variant="sgrvinod")
    assert sum(p.numel() for p in module.parameters()) == 1_312_257


def test_errors() -> None:
    with pytest.raises(ShapeError, match="show_attend_tell got depth=0, expected at least 1"):
        ShowAttendTell(4, 6, depth=0)
    for option, message in (
        ({"kind": "firm"}, "kind='firm', expected one of 'soft', 'hard'"),
        ({"draw": "best"}, "draw='best', expected one of 'sample', 'argmax'"),
        ({"variant": "yunjey"}, "variant='yunjey', expected one of 'paper', 'sgrvinod'"),
        ({"expected": 1.5}, "expected=1.5: pass a probability; the paper has 0.5"),
    ):
        with pytest.raises(ConfigError, match=f"show_attend_tell got {message}"):
            ShowAttendTell(4, 6, **option)

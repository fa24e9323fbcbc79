import pytest
import torch
from torch import Tensor

from visattn.core.errors import ShapeError
from visattn.layers.mixed.relation_gate import RelationGate, require_positions


def randomised(features: int, nodes: int) -> RelationGate:
    gate = RelationGate(features, nodes, feature_ratio=2, node_ratio=3, down_ratio=2).eval().double()
    with torch.no_grad():
        for p in gate.parameters():
            p.normal_(std=0.5)
    return gate


def nodes(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_by_hand() -> None:
    """Two nodes 1 and 3 of one feature, θ = 2x, φ = x + 1, ψ = 5x: the affinities θ_i·φ_j are [[4, 8], [12, 24]].

    Node 1 sees its row 4, 8 and its column 4, 12, node 2 its row 12, 24 and its column 8, 24; ρ weighs the four with
    1, 10, 100 and 1000. The score is ψ + ρ/10⁴ − 6.
    """
    gate = RelationGate(1, 2, feature_ratio=1, node_ratio=2, down_ratio=2).eval().double()
    with torch.no_grad():
        for norm in (gate.theta[1], gate.phi[1], gate.unary[1], gate.relations[1], gate.score[1], gate.score[4]):
            norm.running_var.fill_(1 - norm.eps)
        gate.theta[0].weight.fill_(2)
        gate.phi[0].weight.fill_(1)
        gate.phi[1].bias.fill_(1)
        gate.unary[0].weight.fill_(5)
        gate.relations[0].weight.copy_(torch.tensor([1.0, 10, 100, 1000]).reshape(1, 4, 1))
        gate.score[0].weight.copy_(torch.tensor([1, 1e-4]).reshape(1, 2, 1))
        gate.score[3].weight.fill_(1)
        gate.score[4].bias.fill_(-6)
    first = 5 + (4 + 80 + 400 + 12000) / 1e4 - 6
    second = 15 + (12 + 240 + 800 + 24000) / 1e4 - 6
    expected = torch.tensor([first, second], dtype=torch.float64).sigmoid()
    x = torch.tensor([1.0, 3.0], dtype=torch.float64).reshape(1, 1, 2)
    torch.testing.assert_close(gate(x).flatten(), expected, rtol=1e-6, atol=0)


def test_equal_embeddings_relate_both_ways_alike() -> None:
    """Then the halves of the relations are equal, and their weights can be exchanged."""
    gate, x = randomised(6, 9), nodes(2, 6, 9)
    gate.phi.load_state_dict(gate.theta.state_dict())
    before = gate(x)
    with torch.no_grad():
        gate.relations[0].weight.copy_(gate.relations[0].weight.roll(9, dims=1))
    torch.testing.assert_close(gate(x), before)
    gate.phi.load_state_dict(randomised(6, 9).theta.state_dict())
    with torch.no_grad():
        before = gate(x)
        gate.relations[0].weight.copy_(gate.relations[0].weight.roll(9, dims=1))
    assert not torch.allclose(gate(x), before)


def test_renumbered_nodes_need_renumbered_weights() -> None:
    gate, x = randomised(6, 9), nodes(2, 6, 9)
    order = torch.randperm(9)
    before = gate(x)
    assert not torch.allclose(gate(x[:, :, order]), before[:, :, order])
    with torch.no_grad():
        weight = gate.relations[0].weight
        weight.copy_(torch.cat((weight[:, :9][:, order], weight[:, 9:][:, order]), dim=1))
    torch.testing.assert_close(gate(x[:, :, order]), before[:, :, order])


def test_every_layer_keeps_one_unit() -> None:
    gate = RelationGate(3, 4, feature_ratio=8, node_ratio=8, down_ratio=8)
    assert [m[0].out_channels for m in (gate.theta, gate.phi, gate.unary, gate.relations, gate.score)] == [1] * 5


def test_positions() -> None:
    require_positions("rga_s", torch.zeros(1, 2, 7, 5), 35)
    message = (
        "rga_s got a 7×6 map of 42 positions, expected 35: its weights belong to positions: build it for this size"
    )
    with pytest.raises(ShapeError, match=message):
        require_positions("rga_s", torch.zeros(1, 2, 7, 6), 35)

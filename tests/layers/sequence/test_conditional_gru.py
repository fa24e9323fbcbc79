import torch
from torch import nn

from visattn.layers.sequence.additive_attention import AdditiveAttention
from visattn.layers.sequence.conditional_gru import ConditionalGRU, GRUStep


def decoder() -> ConditionalGRU:
    module = ConditionalGRU(AdditiveAttention(5, 6), in_features=4, hidden_features=5, memory_features=6).double()
    with torch.no_grad():
        for p in module.parameters():
            p.normal_()
    return module


def inputs() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    sizes = ((2, 3, 4), (2, 7, 6), (2, 5))
    x, memory, state = (torch.randn(*s, dtype=torch.float64) for s in sizes)
    return x, memory, state


def test_a_step_is_that_of_torch() -> None:
    step, cell = GRUStep(4, 5, state_bias=False), nn.GRUCell(4, 5)
    with torch.no_grad():
        cell.weight_ih.copy_(torch.cat((step.input_gates.weight, step.input_candidate.weight)))
        cell.weight_hh.copy_(torch.cat((step.state_gates.weight, step.state_candidate.weight)))
        cell.bias_ih.copy_(torch.cat((step.input_gates.bias, step.input_candidate.bias)))
        cell.bias_hh.zero_()
    x, state = torch.randn(2, 4), torch.randn(2, 5)
    torch.testing.assert_close(step(x, state), cell(x, state))


def test_the_first_gru_asks_and_the_second_reads_the_answer() -> None:
    module, (x, memory, state) = decoder(), inputs()
    states, contexts, weights = module(x, memory, state)
    asked = module.first(x[:, 0], state)
    context, weight = module.attention(asked[:, None], memory)
    torch.testing.assert_close(contexts[:, 0], context[:, 0])
    torch.testing.assert_close(weights[:, 0], weight[:, 0])
    torch.testing.assert_close(states[:, 0], module.second(context[:, 0], asked))


def test_it_can_stop_and_go_on() -> None:
    module, (x, memory, state) = decoder(), inputs()
    states, contexts, _ = module(x, memory, state)
    rest = module(x[:, 2:], memory, states[:, 1])
    torch.testing.assert_close(rest[0], states[:, 2:])
    torch.testing.assert_close(rest[1], contexts[:, 2:])


def test_the_state_stays_where_the_mask_is_false() -> None:
    module, (x, memory, state) = decoder(), inputs()
    mask = torch.tensor([[True, False, True], [True, True, True]])
    states, _, _ = module(x, memory, state, mask)
    assert torch.equal(states[0, 1], states[0, 0])
    torch.testing.assert_close(states[0, 2], module(x[:1, [0, 2]], memory[:1], state[:1])[0][0, 1])

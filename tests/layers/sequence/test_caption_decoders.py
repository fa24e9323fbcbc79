import torch
from torch import nn

from visattn.layers.sequence.caption_decoders import AttentiveLSTM, CaptionDecoder
from visattn.layers.sequence.show_attend_tell import ShowAttendTell


def lstm(**options: object) -> AttentiveLSTM:
    return AttentiveLSTM(ShowAttendTell(5, 6, **options), in_features=4, hidden_features=5, memory_features=6)


def test_a_step_is_an_lstm_cell_that_reads_input_and_context() -> None:
    module, cell = lstm(), nn.LSTMCell(10, 5)
    # torch packs i, f, g, o
    order = torch.cat([torch.arange(5) + 5 * k for k in (0, 1, 3, 2)])
    with torch.no_grad():
        cell.weight_ih.copy_(torch.cat((module.input.weight, module.context.weight), dim=1)[order])
        cell.weight_hh.copy_(module.state.weight[order])
        cell.bias_ih.copy_(module.input.bias[order])
        cell.bias_hh.zero_()
    x, memory, state, memory_cell = torch.randn(2, 1, 4), torch.randn(2, 7, 6), torch.randn(2, 5), torch.randn(2, 5)
    states, cells, _, _, contexts = module(x, memory, state, memory_cell)
    torch.testing.assert_close(contexts, module.attention(state[:, None], memory)[0])
    expected = cell(torch.cat((x[:, 0], contexts[:, 0]), dim=1), (state, memory_cell))
    torch.testing.assert_close((states[:, 0], cells[:, 0]), expected)


def test_state_and_cell_stay_where_the_mask_is_false() -> None:
    module, zero = lstm(), torch.zeros(2, 5)
    mask = torch.tensor([[True, False, True], [True, True, False]])
    states, cells, *_ = module(torch.randn(2, 3, 4), torch.randn(2, 7, 6), zero, zero, mask)
    for kept in (states, cells):
        assert torch.equal(kept[0, 1], kept[0, 0]) and torch.equal(kept[1, 2], kept[1, 1])
        assert not torch.equal(kept[0, 2], kept[0, 1])


def caption_decoder() -> CaptionDecoder:
    attention = ShowAttendTell(5, 6, variant="sgrvinod")
    sizes = {"vocabulary": 9, "embedding_features": 3, "hidden_features": 5, "memory_features": 6}
    return CaptionDecoder(attention, **sizes).eval()


def test_a_caption_does_not_depend_on_the_others_and_ends() -> None:
    module = caption_decoder()
    memory, captions, lengths = torch.randn(3, 7, 6), torch.randint(9, (3, 6)), torch.tensor([4, 6, 2])
    logits, weights = module(memory, captions, lengths)
    assert logits.shape == (3, 5, 9) and weights.shape == (3, 5, 7)
    torch.testing.assert_close(weights.sum(dim=2), (torch.arange(5) < lengths[:, None] - 1).float())
    assert (logits[0, 3:] == 0).all() and (logits[2, 1:] == 0).all()
    alone, _ = module(memory[:1], captions[:1, :4], lengths[:1])
    torch.testing.assert_close(alone, logits[:1, :3])


def test_a_word_does_not_see_itself() -> None:
    module, memory, lengths = caption_decoder(), torch.randn(1, 7, 6), torch.tensor([6])
    captions = torch.tensor([[1, 2, 3, 4, 5, 6]])
    other = torch.tensor([[1, 2, 3, 8, 8, 8]])
    torch.testing.assert_close(module(memory, captions, lengths)[0][:, :3], module(memory, other, lengths)[0][:, :3])


def test_parameters_of_the_published_decoder() -> None:
    """The captioner on ResNet-101 features with 512 units everywhere: the sum of its layers, attention and gate."""
    sizes = {"vocabulary": 9490, "embedding_features": 512, "hidden_features": 512, "memory_features": 2048}
    module = CaptionDecoder(ShowAttendTell(512, 2048, attention_features=512, variant="sgrvinod"), **sizes)
    cell = 4 * 512 * (512 + 2048 + 512 + 2)
    expected = 1_312_257 + 513 * 2048 + 9490 * 512 + cell + 2 * 2049 * 512 + 513 * 9490
    assert sum(p.numel() for p in module.parameters()) == expected

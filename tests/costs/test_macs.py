import copy
import csv
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision import models
from torchvision.ops import deform_conv2d

from visattn.costs import count_macs, count_params

REFERENCE = next(
    (
        folder / "shared/reference/exact-params.csv"
        for folder in Path(__file__).resolve().parents
        if (folder / "shared/reference/exact-params.csv").exists()
    ),
    None,
)


class Function(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


CASES = {
    "linear": (nn.Linear(5, 7), [(2, 3, 5)], 2 * 3 * 5 * 7),
    "convolution": (nn.Conv2d(3, 8, 3, padding=1), [(2, 3, 6, 5)], 2 * 8 * 6 * 5 * 3 * 9),
    "grouped, strided": (nn.Conv2d(8, 12, 3, stride=2, groups=4), [(1, 8, 9, 9)], 12 * 4 * 4 * 2 * 9),
    "depth-wise, dilated": (nn.Conv2d(8, 8, 3, dilation=2, groups=8), [(1, 8, 9, 9)], 8 * 5 * 5 * 9),
    "one dimension": (nn.Conv1d(1, 1, 3, padding=1), [(2, 1, 10)], 2 * 10 * 3),
    "transposed": (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), [(2, 4, 5, 5)], 2 * 25 * 4 * 3 * 9),
    "batched product": (Function(torch.bmm), [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
    "matrix and vector": (Function(torch.matmul), [(3, 4), (4,)], 12),
    "einsum": (
        Function(lambda a, b: torch.einsum("bchw,bdhw->bcd", a, b)),
        [(2, 3, 4, 5), (2, 6, 4, 5)],
        2 * 3 * 6 * 20,
    ),
    "attention": (
        Function(nn.functional.scaled_dot_product_attention),
        [(2, 4, 6, 8), (2, 4, 5, 8), (2, 4, 5, 8)],
        8 * 6 * 5 * 16,
    ),
    "multi-head": (nn.MultiheadAttention(16, 4, batch_first=True), [(2, 5, 16)] * 3, 2 * 5 * 4 * 256 + 2 * 25 * 32),
    "encoder layer": (nn.TransformerEncoderLayer(16, 4, 32), [(5, 2, 16)], 2 * 5 * (4 * 256 + 2 * 512) + 2 * 25 * 32),
    "recurrent": (nn.LSTM(4, 6, 2, bidirectional=True), [(3, 2, 4)], 6 * 2 * (24 * (4 + 6) + 24 * (12 + 6))),
    "deformable": (Function(deform_conv2d), [(2, 4, 8, 8), (2, 18, 6, 6), (6, 4, 3, 3)], 2 * 6 * 36 * 4 * 9),
    "element-wise, pooled": (nn.Sequential(nn.BatchNorm2d(3), nn.GELU(), nn.AdaptiveAvgPool2d(2)), [(2, 3, 6, 5)], 0),
}


@pytest.mark.parametrize("name", CASES)
def test_count_equals_the_number_by_hand(name):
    module, shapes, macs = CASES[name]
    counted = count_macs(module, *(torch.ones(s) for s in shapes))
    assert (counted.total, counted.uncounted) == (macs, {})


@pytest.mark.parametrize("name", sorted(set(CASES) - {"deformable"}))
def test_meta_device_gives_the_same_count(name):
    module, shapes, macs = CASES[name]
    with torch.device("meta"):
        counted = count_macs(copy.deepcopy(module).to("meta"), *(torch.ones(s) for s in shapes))
    assert counted.total == macs


@pytest.mark.skipif(REFERENCE is None, reason="shared/reference/exact-params.csv is not beside this checkout")
@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101"])
def test_published_networks(name):
    with REFERENCE.open() as file:
        published = next(row for row in csv.DictReader(file) if row["id"] == name)
    with torch.device("meta"):
        model, image = models.get_model(name), torch.empty(1, 3, 224, 224)
    assert count_params(model) == int(published["params"])
    assert count_macs(model, image).total == int(published["macs"])


def test_modules_include_their_children():
    block = nn.Sequential(nn.Conv2d(2, 3, 1, bias=False), nn.ReLU())
    model = nn.Sequential(block, nn.Conv2d(3, 5, 1))
    counted = count_macs(model, torch.ones(1, 2, 4, 4))
    assert counted.by_module == {"0": 96, "0.0": 96, "1": 240}
    assert counted.total == 336


def test_module_called_twice_counts_twice():
    shared = nn.Linear(3, 3)
    counted = count_macs(nn.Sequential(shared, nn.ReLU(), shared), torch.ones(1, 3))
    assert (counted.total, counted.by_module) == (18, {"0": 18})


def test_work_of_a_hook_belongs_to_its_module():
    model = nn.Sequential(nn.Linear(3, 3))
    gate = nn.Linear(3, 3)
    model[0].register_forward_hook(lambda module, inputs, output: output * gate(output))
    assert count_macs(model, torch.ones(1, 3)).by_module == {"0": 18}


def test_unknown_operator_is_named():
    @torch.library.custom_op("visattn_test_macs::product", mutates_args=())
    def product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a @ b

    module = Function(lambda x: product(product(x, x), x) @ x)
    counted = count_macs(module, torch.ones(3, 3))
    assert counted.total == 27
    assert counted.uncounted == {"visattn_test_macs.product": 2}


def test_inference_mode_counts_the_same():
    with torch.inference_mode():
        model, image = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(12, 2)), torch.ones(1, 2, 4, 4)
        assert count_macs(model, image).total == 3 * 4 * 18 + 24


def test_module_stays_as_it_was():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Dropout())
    model[1].eval()
    flags = {name: m.training for name, m in model.named_modules()}
    buffers = {name: b.clone() for name, b in model.named_buffers()}
    count_macs(model, torch.ones(1, 2, 4, 4))
    assert {name: m.training for name, m in model.named_modules()} == flags
    torch.testing.assert_close(dict(model.named_buffers()), buffers, rtol=0, atol=0)
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_failing_forward_leaves_nothing_behind():
    model = nn.Sequential(nn.Linear(3, 3)).train()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        count_macs(model, torch.ones(1, 4))
    assert model.training
    assert not model[0]._forward_hooks
    assert torch.backends.mha.get_fastpath_enabled()


def test_shared_parameters_count_once():
    first, second = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
    second.weight = first.weight
    assert count_params(nn.Sequential(first, second)) == 16


def test_forward_that_catches_an_error_is_attributed_rightly():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.wrong, self.right = nn.Linear(4, 4), nn.Linear(3, 3)

        def forward(self, x):
            try:
                return self.wrong(x)
            except RuntimeError:
                return self.right(x)

    assert count_macs(Careful(), torch.ones(1, 3)).by_module == {"right": 9}

import copy
import io
import pickle

import pytest
import torch
from torch import nn

from visattn.core import PlugError
from visattn.plug import no_op, plug_


def conv_factory(site):
    """A convolution with weights of its own."""
    return nn.Conv2d(**site.conv)


class TestAttachment:
    def test_keys_and_types_stay(self, built, example):
        plain = built("torchvision resnet18")
        model = copy.deepcopy(plain)
        plug_(model, "se", example=example)
        new = [key for key in model.state_dict() if key not in plain.state_dict()]
        assert new[:2] == ["layer1.0.bn2.visattn.alpha", "layer1.0.bn2.visattn.mechanism.reduce.weight"]
        assert type(model.layer1[0].bn2) is nn.BatchNorm2d
        assert list(model.load_state_dict(plain.state_dict(), strict=False).missing_keys) == new

    def test_a_sequential_does_not_run_what_is_attached_behind_it(self, plain, example):
        model = nn.Sequential(plain[0], nn.Sequential(nn.ReLU(), nn.BatchNorm2d(16)))
        plug_(model, "se", where="1", identity=False, example=example)
        assert hasattr(model[1][1], "visattn")
        assert len(model[1]) == 2

    def test_new_modules_follow_the_mode_of_their_site(self, plain, example):
        plain.eval()
        plain[2].norm2.train()
        plug_(plain, "se", example=example)
        assert [m.training for p, m in plain.named_modules() if p.endswith("visattn.mechanism")] == [False, True]

    def test_new_modules_have_the_type_of_their_site(self, plain, example):
        plug_(plain.double(), "se", example=example.double())
        assert {p.dtype for p in plain.parameters()} == {torch.float64}

    def test_random_numbers_of_the_caller_serve_the_new_weights_alone(self, plain, example):
        torch.manual_seed(5)
        plug_(plain, no_op, role="gate", example=example)
        after = torch.rand(1)
        torch.manual_seed(5)
        assert torch.equal(after, torch.rand(1))

    def test_deepcopy(self, plain, example, run):
        plug_(plain, "se", identity=False, example=example)
        twin = copy.deepcopy(plain)
        assert torch.equal(run(twin, example, False), run(plain, example, False))
        nn.init.zeros_(twin[1].norm2.visattn.expand.weight)
        nn.init.constant_(twin[1].norm2.visattn.expand.bias, 9)
        assert not torch.equal(run(twin, example, False), run(plain, example, False))
        assert twin[1].norm2.visattn is not plain[1].norm2.visattn

    def test_pickle(self, built, example, run):
        model = copy.deepcopy(built("torchvision resnet18"))
        plug_(model, "se", identity=False, example=example)
        twin = pickle.loads(pickle.dumps(model))
        assert torch.equal(run(twin, example, False), run(model, example, False))

    def test_saved_weights_load_into_a_plugged_network(self, plain, example, assert_same_function):
        model = copy.deepcopy(plain)
        plug_(model, "se", example=example)
        nn.init.ones_(model[1].norm2.visattn.alpha)
        file = io.BytesIO()
        torch.save(model.state_dict(), file)
        file.seek(0)
        plug_(plain, "se", example=example)
        plain.load_state_dict(torch.load(file))
        assert_same_function(plain, model, example)

    @pytest.mark.slow
    @pytest.mark.parametrize("identity", [True, False])
    def test_compile(self, plain, identity, example):
        plug_(plain, "se", identity=identity, example=example)
        plug_(plain, conv_factory, role="conv", identity=identity, example=example)
        compiled = torch.compile(plain.eval(), backend="eager", fullgraph=True)
        torch.testing.assert_close(compiled(example), plain(example))


class TestUndo:
    @pytest.mark.parametrize("identity", [True, False])
    @pytest.mark.parametrize(("mechanism", "role"), [("se", None), (conv_factory, "conv"), (no_op, "gate")])
    def test_the_very_same_modules_come_back(self, plain, mechanism, role, identity, example, run, fingerprint):
        plain[1].eval()
        before = fingerprint(plain)
        want = [run(plain, example, training) for training in (False, True)]
        receipt = plug_(plain, mechanism, role=role, identity=identity, example=example)
        assert fingerprint(plain) != before
        receipt.undo()
        assert fingerprint(plain) == before
        assert all(torch.equal(run(plain, example, t), want[t]) for t in (False, True))

    @pytest.mark.parametrize("first", [0, 1])
    def test_two_receipts_in_any_order(self, plain, first, example, fingerprint):
        before = fingerprint(plain)
        receipts = [
            plug_(plain, "se", example=example),
            plug_(plain, conv_factory, role="conv", identity=False, example=example),
        ]
        receipts[first].undo()
        receipts[1 - first].undo()
        assert fingerprint(plain) == before

    def test_twice(self, plain, example):
        receipt = plug_(plain, "se", example=example)
        receipt.undo()
        with pytest.raises(PlugError, match="this insertion of se was already undone"):
            receipt.undo()

    def test_a_later_insertion_goes_first(self, plain, example, fingerprint):
        before = fingerprint(plain)
        first = plug_(plain, conv_factory, role="conv", identity=False, example=example)
        second = plug_(plain, "se", where="2.conv1", example=example)
        both = fingerprint(plain)
        with pytest.raises(PlugError, match=r"2\.conv1 carries a later insertion: undo that receipt first"):
            first.undo()
        assert fingerprint(plain) == both
        second.undo()
        first.undo()
        assert fingerprint(plain) == before

    def test_a_child_that_is_no_longer_there(self, plain, example):
        receipt = plug_(plain, "se", example=example)
        plain[2].norm2.visattn = nn.Identity()
        with pytest.raises(PlugError, match=r"2\.norm2 no longer carries what was inserted: undo what was done"):
            receipt.undo()
        assert hasattr(plain[1].norm2, "visattn")

    def test_a_replacement_that_is_no_longer_there(self, plain, example):
        receipt = plug_(plain, conv_factory, role="conv", identity=False, example=example)
        plain[2].conv1 = nn.Identity()
        with pytest.raises(PlugError, match=r"2\.conv1 is no longer what was inserted: undo what was done"):
            receipt.undo()

    def test_a_convolution_comes_back_with_the_type_and_mode_of_its_stand_in(self, plain, example):
        receipt = plug_(plain, conv_factory, role="conv", identity=False, example=example)
        plain.double().eval()
        receipt.undo()
        assert plain[1].conv1.weight.dtype == torch.float64
        assert not plain[1].conv1.training
        assert plain(example.double()).dtype == torch.float64

    def test_what_the_network_learnt_stays(self, plain, example):
        receipt = plug_(plain, "se", example=example)
        nn.init.ones_(plain[1].norm2.bias)
        receipt.undo()
        assert plain[1].norm2.bias.eq(1).all()

import pytest
from torch import nn

from visattn.core.modes import evaluating


def test_every_mode_comes_back_after_an_error():
    model = nn.Sequential(nn.Dropout(), nn.Sequential(nn.Dropout()).eval())
    model[1][0].train()
    with pytest.raises(KeyError, match="inside"), evaluating(model):
        assert not any(m.training for m in model.modules())
        raise KeyError("inside")
    assert [m.training for m in model.modules()] == [True, True, False, True]

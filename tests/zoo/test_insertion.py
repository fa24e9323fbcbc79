from functools import partial

import pytest
import torch
from torch import nn

from visattn.core.errors import ConfigError, PlugError
from visattn.plug import plug_
from visattn.zoo.insertion import insert, with_mechanism
from visattn.zoo.resnet import resnet


@pytest.mark.parametrize(("mechanism", "where"), [("cbam", None), ("bam", ("layer1", "layer2")), ("acmix", None)])
def test_it_is_plug_without_identity(mechanism, where):
    image, models = torch.randn(2, 3, 128, 128), []
    for put in (lambda m: plug_(m, mechanism, where=where, identity=False, example=image), None):
        torch.manual_seed(0)
        model = resnet(18, num_classes=3)
        torch.manual_seed(1)
        if put is None:
            insert(model, mechanism, image, where=where)
        else:
            put(model)
        models.append(model.eval())
    states = [m.state_dict() for m in models]
    assert list(states[0]) == list(states[1])
    models[1].load_state_dict(states[0])
    with torch.no_grad():
        assert torch.equal(models[0](image), models[1](image))


def test_on_meta_nothing_is_computed():
    with torch.device("meta"):
        model = with_mechanism(partial(resnet, 18), "se")()
    assert all(p.is_meta for p in model.parameters())
    assert model.layer1[0].bn2.visattn.reduce.in_features == 64


def test_a_rule_sees_its_site_and_the_options():
    def rule(site, *, kernel_size=1):
        return nn.Conv2d(site.channels, site.channels, kernel_size, padding=kernel_size // 2)

    build = with_mechanism(partial(resnet, 18), rule, role="gate", size=64, kernel_size=3)
    assert build().layer4[1].bn2.visattn.kernel_size == (3, 3)
    assert build(kernel_size=5).layer4[1].bn2.visattn.kernel_size == (5, 5)


def test_mistakes_are_those_of_plug():
    model, image = resnet(18), torch.zeros(1, 3, 64, 64)
    with pytest.raises(ConfigError, match="se has no option 'reductoin'"):
        insert(model, "se", image, reductoin=4)
    with pytest.raises(PlugError, match="no module matches"):
        insert(model, "se", image, where="stage9")
    assert all("visattn" not in key for key in model.state_dict())

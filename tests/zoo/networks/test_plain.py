from visattn.costs import count_params
from visattn.zoo.networks.plain import NETWORKS


def test_both_forms_of_resnet50_have_equal_parameters_and_unequal_macs():
    by_id = {n.id: n for n in NETWORKS}
    new, old = by_id["resnet50"], by_id["resnet50_v1"]
    assert count_params(new.build(num_classes=10)) == count_params(old.build(num_classes=10))
    assert new.macs > old.macs
    assert new.build().layer2[0].conv2.stride == old.build().layer2[0].conv1.stride == (2, 2)

import pytest
import torch

from visattn.zoo.networks.parts import NETWORKS


@pytest.mark.parametrize("part", NETWORKS, ids=lambda n: n.id)
def test_parts_take_their_inputs(part):
    with torch.device("meta"):
        module, inputs = part.build().eval(), [torch.zeros(1, *shape) for shape in part.inputs]
        output = module(*inputs)
    first = output[0] if isinstance(output, tuple) else output
    assert len(first) == 1


def test_gates_keep_the_shape():
    for part in NETWORKS:
        if len(part.inputs) == 1 and part.id.rpartition("_")[0].endswith(
            ("cbam", "bam", "iau", "pam", "cca", "gc_256")
        ):
            with torch.device("meta"):
                x = torch.zeros(1, *part.inputs[0])
                assert part.build().eval()(x).shape == x.shape, part.id

import dataclasses

import pytest
from torch import nn

from visattn.zoo import Network


def test_an_entry_is_frozen_and_has_images_of_224_by_default():
    entry = Network(id="a", summary="A.", source="b", build=nn.Identity, params=0)
    assert entry.inputs == ((3, 224, 224),)
    assert entry.macs is entry.counted is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        entry.params = 1

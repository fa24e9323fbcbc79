"""Networks by name."""

from visattn.zoo.backbones import backbone as backbone
from visattn.zoo.backbones import list_backbones as list_backbones
from visattn.zoo.backbones import load_weights as load_weights
from visattn.zoo.small_resnet import SmallResNet as SmallResNet

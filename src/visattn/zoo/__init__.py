"""Networks by name."""

from visattn.zoo.backbones import backbone as backbone
from visattn.zoo.backbones import list_backbones as list_backbones
from visattn.zoo.backbones import load_weights as load_weights
from visattn.zoo.entry import Network as Network
from visattn.zoo.query import create as create
from visattn.zoo.query import list_networks as list_networks
from visattn.zoo.query import network as network
from visattn.zoo.small_resnet import SmallResNet as SmallResNet

"""The training loop."""

from visattn.train.config import TrainConfig as TrainConfig
from visattn.train.loop import Curve as Curve
from visattn.train.loop import Fit as Fit
from visattn.train.loop import fit as fit
from visattn.train.loop import predict as predict

"""Labelled images from embedded sets, folders and files, and batches of them."""

from visattn.data.batches import Batches as Batches
from visattn.data.batches import evaluation as evaluation
from visattn.data.images import ImageData as ImageData
from visattn.data.images import Skipped as Skipped
from visattn.data.images import Split as Split
from visattn.data.load import load as load
from visattn.data.scenes import ShapeScenes as ShapeScenes
from visattn.data.scenes import shapes as shapes

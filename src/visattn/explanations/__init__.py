"""Where in an image a model finds its evidence."""

from visattn.explanations.default_layer import default_layer as default_layer
from visattn.explanations.explanation import Explanation as Explanation
from visattn.explanations.explanation import explain as explain
from visattn.explanations.grad_cam import grad_cam as grad_cam

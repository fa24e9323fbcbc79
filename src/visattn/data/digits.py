"""The handwritten digits that ship with scikit-learn.

1797 real images of 8×8 pixels, ten classes (Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, 1998).
"""

import numpy as np

from visattn.core.errors import ConfigError
from visattn.data.images import ImageData, Split, measure
from visattn.data.pictures import resize_grey
from visattn.data.splits import stratified


def load_digits(size: int = 16, *, val_fraction: float = 0.3, split_seed: int = 0) -> ImageData:
    """Return the digits enlarged to `size`, divided class by class.

    Raises:
        ConfigError: scikit-learn or Pillow is missing, or the fraction is out of range.

    >>> load_digits().train.images.shape
    (1258, 1, 16, 16)
    """
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ConfigError(
            "the digits need scikit-learn, which is missing", hint='pip install "visattn[compare]"'
        ) from error
    found = datasets.load_digits()
    # the counts of ink go from 0 to 16
    images = resize_grey(np.rint(found.images * (255 / 16)).astype(np.uint8), size)
    labels = found.target.astype(np.int64)
    classes = tuple(map(str, range(10)))
    whole = Split(images, labels)
    train, val = map(whole.take, stratified(labels, classes, val_fraction, split_seed))
    return ImageData(name="digits", classes=classes, train=train, val=val, flip=False, **measure(train, val))

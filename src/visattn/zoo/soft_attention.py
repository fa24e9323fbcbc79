"""The soft attention of image captioning: a weighted mean of the positions, for the state of a decoder.

Paper: Xu et al., Show, Attend and Tell: Neural Image Caption Generation with Visual Attention, ICML 2015,
arXiv:1502.03044, eq. 4-6.
"""

import torch
from torch import Tensor, nn

from visattn.core.checks import require_positive


class SoftAttention(nn.Module):
    """`α = softmax_i(w relu(W x_i + U h + b) + c)` and `z = Σ_i α_i x_i`.

    The paper has tanh in the place of ReLU; this is the form of the popular PyTorch captioning model.
    Shapes: (B, N, encoder) and (B, decoder) → (B, encoder).

    Args:
        encoder: Length of the features of a position.
        decoder: Length of the decoder's state.
        hidden: Units of the score.

    Raises:
        ShapeError: A length is below 1.

    >>> SoftAttention(encoder=8, decoder=6, hidden=4)(torch.rand(2, 9, 8), torch.rand(2, 6)).shape
    torch.Size([2, 8])
    """

    def __init__(self, *, encoder: int = 2048, decoder: int = 512, hidden: int = 512) -> None:
        super().__init__()
        require_positive("SoftAttention", encoder=encoder, decoder=decoder, hidden=hidden)
        self.features = nn.Linear(encoder, hidden)
        self.state = nn.Linear(decoder, hidden)
        self.score = nn.Linear(hidden, 1)

    def weights(self, x: Tensor, state: Tensor) -> Tensor:
        """Return α, (B, N)."""
        scores: Tensor = self.score(torch.relu(self.features(x) + self.state(state)[:, None]))
        return scores.squeeze(2).softmax(dim=1)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """Return the weighted mean of the positions."""
        return torch.matmul(self.weights(x, state)[:, None], x).squeeze(1)

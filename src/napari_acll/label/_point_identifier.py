"""The network that names nuclei: a transformer over the detections of one volume."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad, scaled_dot_product_attention

N_FEATURES = 10
"""Numbers per nucleus beside its position, see `nucleus_features`."""
_WAVELENGTHS_UM = (80.0, 40.0, 20.0, 10.0)
_SHORTEST_TURN_UM = 8.0
_LONGEST_TURN_UM = 160.0


class _Layer(nn.Module):
    """Attention among nuclei by where they lie to each other, then a small perceptron."""

    def __init__(self, width: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.norm_1 = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.from_heads = nn.Linear(width, width)
        self.norm_2 = nn.LayerNorm(width)
        self.perceptron = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, state: Tensor, turn: "_Turn", mask: Tensor | None) -> Tensor:
        n_batch, n_points, width = state.shape
        qkv = self.to_qkv(self.norm_1(state)).view(n_batch, n_points, 3 * self.n_heads, -1)
        queries_and_keys, v = qkv.split([2 * self.n_heads, self.n_heads], 2)
        q, k = turn.apply(queries_and_keys).chunk(2, 2)
        mixed = scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
        )
        mixed = mixed.transpose(1, 2).reshape(n_batch, n_points, width)
        state = state + self.from_heads(mixed)
        result: Tensor = state + self.perceptron(self.norm_2(state))
        return result


class _Turn:
    """Turns each pair of numbers, which lie half a head apart, by an angle.

    Parameters
    ----------
    angle : Tensor of float, shape (B, n, d / 2)
        The same for all heads and layers.
    """

    def __init__(self, angle: Tensor) -> None:
        cos, sin = angle.cos(), angle.sin()
        self._cos = torch.cat([cos, cos], -1)[:, :, None]
        self._sin = torch.cat([-sin, sin], -1)[:, :, None]

    def apply(self, vectors: Tensor) -> Tensor:
        """Return vectors `(B, n, heads, d)` turned."""
        others = vectors.roll(vectors.shape[-1] // 2, -1)
        return torch.addcmul(vectors * self._cos, others, self._sin)


class IdentifierNetwork(nn.Module):
    """Names of all nuclei of one volume, from where they lie and how they look.

    For every nucleus the network guesses how far the posture has carried it from where it lies in
    the average animal, and how much it looks like each neuron. The logit of a name is the sum of
    both: the log density of the neuron's place there, and the look.

    Parameters
    ----------
    atlas_mean_um, atlas_sd_um : Tensor of float, shape (k, 3)
        Where the `k` neurons lie in the average animal, and how far they stray.
    width, n_layers, n_heads : int
        Size of the transformer.

    References
    ----------
    Su et al., RoFormer: enhanced transformer with rotary position embedding, 2021: what two
    nuclei mean to each other depends on how far they lie apart along each axis.
    """

    atlas_mean_um: Tensor
    atlas_sd_um: Tensor

    def __init__(
        self,
        atlas_mean_um: Tensor,
        atlas_sd_um: Tensor,
        *,
        width: int = 128,
        n_layers: int = 4,
        n_heads: int = 4,
    ) -> None:
        super().__init__()
        self.width, self.n_layers, self.n_heads = width, n_layers, n_heads
        n_position = 3 + 6 * len(_WAVELENGTHS_UM)
        self.embed = nn.Linear(n_position + N_FEATURES, width)
        self.layers = nn.ModuleList(_Layer(width, n_heads) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.to_shift = nn.Linear(width, 3)
        self.to_look = nn.Linear(width, len(atlas_mean_um) + 1)
        self.log_sharpness = nn.Parameter(torch.zeros(len(atlas_mean_um)))
        self.register_buffer("atlas_mean_um", atlas_mean_um.float())
        self.register_buffer("atlas_sd_um", atlas_sd_um.float())
        nn.init.zeros_(self.to_shift.weight)
        nn.init.zeros_(self.to_shift.bias)

    def forward(
        self, position_um: Tensor, features: Tensor, is_nucleus: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of names, and where each nucleus would lie in the average animal.

        Parameters
        ----------
        position_um : Tensor of float, shape (B, n, 3)
            Positions in the frame of the atlas.
        features : Tensor of float, shape (B, n, N_FEATURES)
            See `nucleus_features`.
        is_nucleus : Tensor of bool, shape (B, n), optional
            False where a row only fills up the batch; None: no row does.

        Returns
        -------
        logits : Tensor of float, shape (B, n, k + 1)
            Column 0 is "none of these".
        home_um : Tensor of float, shape (B, n, 3)
        """
        state = self.embed(torch.cat([_waves(position_um), features], -1))
        turn = _Turn(self._angles(position_um))
        mask = None if is_nucleus is None else is_nucleus[:, None, None]
        for layer in self.layers:
            state = layer(state, turn, mask)
        state = self.norm(state)
        home_um = position_um + 5.0 * self.to_shift(state)
        return self._logits(state, home_um), home_um

    def _logits(self, state: Tensor, home_um: Tensor) -> Tensor:
        precision = self.log_sharpness.exp()[:, None] / self.atlas_sd_um**2
        mean = self.atlas_mean_um
        square = (
            home_um**2 @ precision.T
            - 2 * home_um @ (precision * mean).T
            + (precision * mean**2).sum(1)
        )
        place = -0.5 * square.clamp(max=60.0)
        logits: Tensor = self.to_look(state) + pad(place, (1, 0), value=-4.0)
        return logits

    def _angles(self, position_um: Tensor) -> Tensor:
        """Return the angles by which attention turns with position, `(B, n, n_pairs)`.

        Axes take turns, so that each gets wavelengths over the whole range.
        """
        n_pairs = self.width // self.n_heads // 2
        number = torch.arange(n_pairs, device=position_um.device)
        ratio = _LONGEST_TURN_UM / _SHORTEST_TURN_UM
        wavelength = _SHORTEST_TURN_UM * ratio ** (number / max(n_pairs - 1, 1))
        along = position_um[..., number % 3]
        angles: Tensor = along * (2 * torch.pi / wavelength)
        return angles


def _waves(position_um: Tensor) -> Tensor:
    """Return positions and their sines and cosines at several wavelengths."""
    parts = [position_um / 20.0]
    for wavelength in _WAVELENGTHS_UM:
        angle = position_um * (2 * torch.pi / wavelength)
        parts += [angle.sin(), angle.cos()]
    return torch.cat(parts, -1)

"""CMC, the Cross-Modal Conformer: every block attends to the kind of sound and to the picture.

After Berghi and Jackson (Surrey), second in the audio-visual track of DCASE 2025 Task 3, arXiv 2509.06598: log-mel, ILD
and stpACC through a Conformer that attends to language-aligned embeddings of sound and picture. Which layers it adds is
not published; here they are cross-attentions between self-attention and convolution, closed at the start.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from seldfuse.sdk import (
    HOPS_PER_FRAME,
    TRACKS,
    BandAttention,
    ColumnEmbedding,
    ConformerBlock,
    GatedCrossAttention,
    LabelSet,
    OnscreenAttention,
    Posterior,
    SeenPlace,
    Trunk,
    TrunkConfig,
    UsageError,
    check_network_settings,
    encode_logmel,
    fold_to_front,
    get_bin_centers_deg,
    merge_duplicate_tracks,
    posterior_from_accddoa,
)

TAGGER = "compact-audio"
"""The encoder of log-mel spectrograms that runs inside of the network, so that it follows augmentation."""

AUDIO_CHANNELS = 2
"""The first channels, log-mel of left and right."""

COPIES_DEG = 25.0
"""Tracks that copy one source point further apart than the 15° within which fusion merges copies (docs/results.md)."""

HEARD_DEG = 12.0
"""How far from a track's azimuth its source is looked for, at first: about as far as that is wrong."""

NEAREST_M = 0.05

ELEMENTS = 4
"""x, y, metres and on-screen."""


@dataclass(frozen=True)
class TokenSettings:
    """Tokens of an encoder: `tokens` vectors of `channels` values for each frame.

    In training the share `dropout` of the clips does without; for pictures that is an augmentation (`drop_picture`).
    """

    encoder: str
    tokens: int
    channels: int
    dropout: float = 0.0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TokenSettings":
        """Make settings of JSON values. Raises CheckpointError for a setting that this version does not know."""
        check_network_settings(data, cls)
        return cls(**data)

    def check(self, given: Float[Tensor, "batch frame token channel"]) -> None:
        """Check the sizes of tokens. Raises UsageError for tokens of other sizes, which other weights of the encoder
        may give."""
        tokens, channels = given.shape[2:]
        if (tokens, channels) != (self.tokens, self.channels):
            raise UsageError(
                f"expected {self.tokens} tokens of {self.channels} values from {self.encoder}, got {tokens} of "
                f"{channels}; write these into the recipe's [network], or take other weights: {self.encoder}@FOLDER"
            )


class Cmc(nn.Module):
    """A trunk whose blocks attend to tokens of sound and of picture, and a multi-ACCDDOA head with on-screen.

    Either kind of tokens may be missing, for a clip or a frame; without both it is a plain Conformer. On-screen is
    judged by attending to the columns at which each track places its class. With `bands` a class reads its places from
    its own mel bands, too, as SED-SCE does, and what is seen turns them; trunk and bands have SED-SCE's names, so that
    a trained one can be the beginning.
    """

    def __init__(
        self,
        trunk: TrunkConfig,
        audio_tokens: TokenSettings,
        visual_tokens: TokenSettings,
        column_dim: int,
        classes: int,
        bands: bool = False,
    ) -> None:
        super().__init__()
        self.audio_tokens, self.visual_tokens, self.column_dim, self.classes = (
            audio_tokens,
            visual_tokens,
            column_dim,
            classes,
        )
        self.trunk = Trunk(trunk)
        dim, sizes = trunk.dim, (trunk.dim, trunk.heads, trunk.head_dim, trunk.dropout)
        self.sounds = nn.Sequential(nn.Linear(audio_tokens.channels, dim), nn.LayerNorm(dim))
        self.columns = ColumnEmbedding(visual_tokens.tokens, visual_tokens.channels, column_dim)
        self.widen = nn.Linear(column_dim, dim)
        self.hearing = nn.ModuleList([GatedCrossAttention(*sizes) for _ in range(trunk.blocks)])
        self.seeing = nn.ModuleList([GatedCrossAttention(*sizes) for _ in range(trunk.blocks)])
        self.hidden = nn.Linear(dim, dim)
        self.place = nn.Linear(dim, TRACKS * (ELEMENTS - 1) * classes)
        self.bands = BandAttention(dim, classes, trunk.channels) if bands else None
        self.place_by_bands = nn.Linear(BandAttention.VALUES, TRACKS * (ELEMENTS - 1)) if bands else None
        if bands:
            self.seen = SeenPlace(classes, visual_tokens.tokens, visual_tokens.channels)
            self.log_width = nn.Parameter(torch.tensor(math.log(HEARD_DEG)))
        else:
            self.onscreen = OnscreenAttention(dim, TRACKS * classes, visual_tokens.tokens, column_dim)

    def forward(
        self,
        features: Float[Tensor, "batch channel time mel"],
        embeddings: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> Float[Tensor, "batch frame out"]:
        """Compute the activated head, flattened over track, element and class.

        `embeddings` are tokens `[batch, frame, token, channel]` by the names of encoders. Raises UsageError where their
        sizes are not the network's.
        """
        sounds, audible = _split_present(self._sounds(features, embeddings))
        pictures, visible = _split_present(_take_tokens(self.visual_tokens, embeddings, features))
        columns = self.columns(pictures)  # (batch, frame, column, column_dim)
        x = self._blocks(features, embeddings, self.sounds(sounds), audible, self.widen(columns), visible)
        place = self._place(x, features)
        x_axis, y_axis, distance = place.unbind(-2)  # each (batch, frame, track, cls)
        x_axis, y_axis, distance = x_axis.tanh(), y_axis.tanh(), distance.relu()
        vector = torch.stack([x_axis, y_axis], dim=-1).flatten(2, 3)  # (batch, frame, track · cls, axis)
        visible = visible.unsqueeze(-1).to(x)
        if self.bands is None:
            point = vector / vector.norm(dim=-1, keepdim=True).clamp_min(1e-3) * distance.flatten(2).unsqueeze(-1)
            onscreen = self.onscreen(x, point, columns, visible)
        else:
            vector, onscreen = self._look(vector, distance.flatten(2), pictures, visible)
        values = [*vector.unbind(-1), distance.flatten(2), onscreen.sigmoid()]
        return torch.stack([value.unflatten(2, (TRACKS, -1)) for value in values], dim=-2).flatten(2)

    def _look(self, vector: Tensor, distance: Tensor, pictures: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        """Turn the vectors towards who is seen near them, and judge on-screen."""
        azimuth_deg = torch.rad2deg(torch.atan2(vector[..., 1], vector[..., 0].abs() + 1e-4)).detach()
        centers_deg = get_bin_centers_deg(vector.device)
        heard = -0.5 * ((azimuth_deg.unsqueeze(-1) - centers_deg) / self.log_width.exp()).square()
        azimuth, onscreen = self.seen(heard, distance.clamp_min(NEAREST_M).log(), pictures, visible)
        turn = torch.deg2rad((azimuth.softmax(-1) - heard.softmax(-1)) @ centers_deg)
        # Behind, which folds to the front, left is on the other side.
        sine, cosine = turn.sin() * vector[..., 0].detach().sign(), turn.cos()
        x_axis, y_axis = vector.unbind(-1)
        return torch.stack([cosine * x_axis - sine * y_axis, sine * x_axis + cosine * y_axis], dim=-1), onscreen

    def _place(self, x: Tensor, features: Tensor) -> Float[Tensor, "batch frame track element cls"]:
        """x, y and metres before they are bounded."""
        place = self.place(self.hidden(x)).unflatten(-1, (TRACKS, ELEMENTS - 1, self.classes))
        if self.bands is None or self.place_by_bands is None:
            return place  # type: ignore[no-any-return]
        by_bands = self.place_by_bands(self.bands(x, self.trunk.standardize(features)))  # (batch, frame, cls, …)
        return place + by_bands.transpose(2, 3).unflatten(2, (TRACKS, ELEMENTS - 1))  # type: ignore[no-any-return]

    def _sounds(self, features: Tensor, embeddings: Mapping[str, Tensor]) -> Float[Tensor, "batch frame token channel"]:
        """Tokens of sound; those of the tagger that ships are computed here where nobody gives them."""
        inside = self.audio_tokens.encoder == TAGGER and TAGGER not in embeddings
        tokens = (
            encode_logmel(features[:, :AUDIO_CHANNELS])
            if inside
            else _take_tokens(self.audio_tokens, embeddings, features)
        )
        if not self.training:
            return tokens
        gone = torch.rand(len(tokens), 1, 1, 1, device=tokens.device) < self.audio_tokens.dropout
        return tokens.masked_fill(gone, torch.nan)

    def _blocks(
        self,
        features: Tensor,
        embeddings: Mapping[str, Tensor],
        sounds: Tensor,
        audible: Tensor,
        columns: Tensor,
        visible: Tensor,
    ) -> Float[Tensor, "batch frame dim"]:
        trunk = self.trunk
        x = trunk.enter(trunk.listen(features), features, embeddings)
        x = trunk.to_frames(x.transpose(1, 2)).transpose(1, 2)  # (batch, frame, dim)
        for block, attend_audio, attend_visual in zip(trunk.blocks, self.hearing, self.seeing, strict=True):
            assert isinstance(block, ConformerBlock)
            x = x + 0.5 * block.first(x)
            x = x + block.attention(x)
            x = x + attend_audio(x, sounds, audible)
            x = x + attend_visual(x, columns, visible)
            x = x + block.convolution(x)
            x = block.norm(x + 0.5 * block.second(x))
        return x  # type: ignore[no-any-return]

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.trunk.set_statistics(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again: a recipe's [network]."""
        return {
            "trunk": self.trunk.config.to_json(),
            "audio_tokens": asdict(self.audio_tokens),
            "visual_tokens": asdict(self.visual_tokens),
            "column_dim": self.column_dim,
            **({} if self.bands is None else {"bands": True}),
        }


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> Cmc:
    """Build a fresh network from the settings of a recipe or a checkpoint."""
    audio, visual = (TokenSettings.from_json(settings[name]) for name in ("audio_tokens", "visual_tokens"))
    trunk, bands = TrunkConfig.from_json(settings["trunk"]), settings.get("bands", False)
    return Cmc(trunk, audio, visual, settings["column_dim"], len(labels), bands)


def to_posterior(output: Float[Tensor, "batch frame out"], labels: LabelSet) -> Posterior:
    """Turn the output into a three-track posterior, its directions folded to the front, copies of one source on one
    track."""
    posterior = posterior_from_accddoa(output, labels, TRACKS, onscreen=True)
    assert posterior.direction is not None
    return merge_duplicate_tracks(replace(posterior, direction=fold_to_front(posterior.direction)), COPIES_DEG)


def _take_tokens(wanted: TokenSettings, embeddings: Mapping[str, Tensor], features: Tensor) -> Tensor:
    """The tokens that are wanted, NaN where there are none."""
    if wanted.encoder not in embeddings:
        frames = features.shape[2] // HOPS_PER_FRAME
        return features.new_full((len(features), frames, wanted.tokens, wanted.channels), torch.nan)
    wanted.check(embeddings[wanted.encoder])
    return embeddings[wanted.encoder]


def _split_present(tokens: Float[Tensor, "batch frame token channel"]) -> tuple[Tensor, Tensor]:
    """Tokens without NaN, and in which frames there are any."""
    there = ~tokens[:, :, 0, 0].isnan()
    return tokens.nan_to_num(0.0), there

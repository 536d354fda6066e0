"""CMC, the Cross-Modal Conformer: every block attends to the kind of sound and to the picture.

After Berghi and Jackson (Surrey), second in the audio-visual track of DCASE 2025 Task 3, arXiv 2509.06598: log-mel, ILD
and stpACC through a Conformer that attends to language-aligned embeddings of sound and picture. Which layers it adds is
not published; here they are cross-attentions between self-attention and convolution, closed at the start.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.sdk import (
    HOPS_PER_FRAME,
    TRACKS,
    AzimuthHead,
    BandAttention,
    ColumnEmbedding,
    ConformerBlock,
    DistanceHead,
    GatedCrossAttention,
    LabelSet,
    OnscreenAttention,
    Posterior,
    SeenPlace,
    Trunk,
    TrunkConfig,
    UsageError,
    build_mlp_head,
    check_network_settings,
    encode_logmel,
    fold_to_front,
    get_bin_centers_deg,
    merge_duplicate_tracks,
    posterior_from_accddoa,
    split_distance,
)

TAGGER = "compact-audio"
"""The encoder of log-mel spectrograms that runs inside of the network, so that it follows augmentation."""

AUDIO_CHANNELS = 2
"""The first channels, log-mel of left and right."""

COPIES_DEG = 25.0
"""Tracks that copy one source point further apart than the 15° within which fusion merges copies (docs/results.md)."""

FARTHEST_M = 50.0

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
    judged by attending to the columns at which each track places its class.

    With `bands` it begins as a SED-SCE, whose names trunk and heads have: each track hears each class as that does, and
    learns how to differ from the others where a class has several sources; what is heard is weighed by what is seen.
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
        self.has_bands = bands
        if bands:
            self.activity = build_mlp_head(dim, classes)
            self.bands = BandAttention(dim, classes, trunk.channels)
            self.azimuth, self.log_distance = AzimuthHead(), DistanceHead()
            self.tracks = nn.Linear(BandAttention.VALUES, TRACKS * (2 + len(self.azimuth.cosines)))
            nn.init.normal_(self.tracks.weight, std=0.01)
            nn.init.zeros_(self.tracks.bias)
            self.seen = SeenPlace(classes, visual_tokens.tokens, visual_tokens.channels)
        else:
            self.hidden = nn.Linear(dim, dim)
            self.place = nn.Linear(dim, TRACKS * (ELEMENTS - 1) * classes)
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
        seen = visible.unsqueeze(-1).to(x)
        values = self._weigh(x, features, pictures, seen) if self.has_bands else self._regress(x, columns, seen)
        by_track = [value.reshape(*value.shape[:2], TRACKS, self.classes) for value in values]
        return torch.stack(by_track, dim=-2).flatten(2)

    def _regress(self, x: Tensor, columns: Tensor, seen: Tensor) -> list[Float[Tensor, "batch frame track_cls"]]:
        """x, y, metres and on-screen, of the frame."""
        place = self.place(self.hidden(x)).unflatten(-1, (TRACKS, ELEMENTS - 1, self.classes))
        x_axis, y_axis, distance = (part.flatten(2) for part in place.unbind(-2))
        x_axis, y_axis, distance = x_axis.tanh(), y_axis.tanh(), distance.relu()
        point = torch.stack([x_axis, y_axis], dim=-1)
        point = point / point.norm(dim=-1, keepdim=True).clamp_min(1e-3) * distance.unsqueeze(-1)
        return [x_axis, y_axis, distance, self.onscreen(x, point, columns, seen).sigmoid()]

    def _weigh(
        self, x: Tensor, features: Tensor, pictures: Tensor, seen: Tensor
    ) -> list[Float[Tensor, "batch frame track_cls"]]:
        """The same, of what a SED-SCE would hear, of how tracks differ from that, and of what is seen."""
        hidden = self.bands(x, self.trunk.standardize(features))  # (batch, frame, cls, value)
        # (batch, frame, track, cls, value)
        apart = self.tracks(hidden).float().unflatten(-1, (TRACKS, -1)).transpose(2, 3)
        activity = (self.activity(x).unsqueeze(2) + apart[..., 0]).sigmoid().flatten(2)
        log_distance = (split_distance(self.log_distance(hidden))[0].unsqueeze(2) + apart[..., 1]).flatten(2)
        heard = (self.azimuth(hidden).unsqueeze(2) + apart[..., 2:] @ self.azimuth.cosines).flatten(2, 3)
        azimuth, onscreen = self.seen(heard, log_distance, pictures, seen)
        radians = torch.deg2rad(get_bin_centers_deg(x.device))
        place = azimuth.softmax(-1) @ torch.stack([radians.cos(), radians.sin()], dim=1)
        vector = activity.unsqueeze(-1) * F.normalize(place, dim=-1)
        return [*vector.unbind(-1), log_distance.exp().clamp_max(FARTHEST_M), onscreen.sigmoid()]

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
            **({"bands": True} if self.has_bands else {}),
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

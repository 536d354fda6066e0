"""MVANet: sound and picture side by side, the sound gating the picture before each stage.

Source: Hong et al., ICASSP 2025 (`MVANet-SELD`), with two input channels; the on-screen branch as in the SED-SCE-ONS of
NERC-SLIP, DCASE 2025 Task 3.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.sdk import (
    AudioGuidedAttention,
    AzimuthHead,
    BandAttention,
    ColumnEmbedding,
    ConformerBlock,
    DistanceHead,
    LabelSet,
    OnscreenAttention,
    Posterior,
    SeenPlace,
    Trunk,
    TrunkConfig,
    build_linear_head,
    build_mlp_head,
    check_network_settings,
    fold_to_front,
    normalize,
    posterior_from_polar,
    split_distance,
)

STAGES = 3
AXES = 3
NEAREST_M = 0.05


@dataclass(frozen=True)
class VisualSettings:
    """Which tokens of pictures the network takes, and what becomes of them.

    `encoder` gives `tokens` of `channels` values. Where `beside` names another encoder, the last `beside_channels` of
    these are its values at the same places. With `column_dim` 0 they go in as they are, as published; else each becomes
    a column of so many values, of which `gate_channels` take part in the gates, and on-screen is judged by the columns
    at which a class is placed. With `multiplicative_gate` gates weigh the picture, else they take its place.
    """

    encoder: str
    tokens: int
    channels: int
    column_dim: int = 0
    gate_channels: int = 0
    multiplicative_gate: bool = False
    beside: str = ""
    beside_channels: int = 0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "VisualSettings":
        """Make settings of JSON values. Raises CheckpointError for a setting that this version does not know."""
        check_network_settings(data, cls)
        return cls(**data)

    @property
    def dim(self) -> int:
        """Values of a frame that the first gate weighs."""
        return self.tokens * (self.gate_channels if self.column_dim else self.channels)


class MvaNetOutput(NamedTuple):
    """`activity` is a probability, `onscreen` the logit of being in the picture, `point` the place in metres.

    Or the place is polar: `azimuth` holds the logits of a distribution over azimuths (`seldfuse.nn.azimuth_bins`) and
    `log_distance` a distribution of the logarithm of the distance (`seldfuse.nn.log_distance`).
    """

    activity: Float[Tensor, "batch frame cls"]
    onscreen: Float[Tensor, "batch frame cls"]
    point: Float[Tensor, "batch frame cls axis"] | None = None
    azimuth: Float[Tensor, "batch frame cls bin"] | None = None
    log_distance: Float[Tensor, "batch frame cls 2"] | None = None


class MvaNet(nn.Module):
    """One source per class: whether it sounds, at which point, and whether it is in the picture.

    The audio side is SED-SCE's trunk, whose blocks make up three stages; heads have SED-SCE's names too, so that a
    trained SED-SCE can be the beginning. A frame without a picture adds nothing to the audio side. `axes` is that of
    SED-SCE: of a Cartesian point, or None for a polar place.
    """

    def __init__(
        self,
        trunk: TrunkConfig,
        visual: VisualSettings,
        visual_blocks: int,
        fusion_blocks: int,
        classes: int,
        axes: int | None,
    ):
        super().__init__()
        self.visual_settings, self.axes, self.visual_blocks, self.fusion_blocks = (
            visual,
            axes,
            visual_blocks,
            fusion_blocks,
        )
        self.trunk = Trunk(trunk)
        dim = trunk.dim
        into = self.trunk.into[0]
        assert isinstance(into, nn.Linear)
        self.columns = ColumnEmbedding(visual.tokens, visual.channels, visual.column_dim) if visual.column_dim else None
        self.narrow = nn.Linear(visual.column_dim, visual.gate_channels) if visual.column_dim else nn.Identity()
        self.first_gate = AudioGuidedAttention(into.in_features, visual.dim, visual.multiplicative_gate)
        self.widen = nn.Linear(visual.dim, dim)
        self.gates = nn.ModuleList([AudioGuidedAttention(dim, dim, visual.multiplicative_gate) for _ in range(STAGES)])
        self.visual = nn.ModuleList([_blocks(trunk, visual_blocks) for _ in range(STAGES)])
        self.fusion = _blocks(trunk, fusion_blocks)
        self.activity = build_mlp_head(dim, classes)
        if axes is None:
            self.bands = BandAttention(dim, classes, trunk.channels)
            self.azimuth, self.log_distance = AzimuthHead(), DistanceHead()
            self.seen = SeenPlace(classes, visual.tokens, visual.channels)
            return
        self.point = build_linear_head(dim, classes * axes)
        self.onscreen = (
            OnscreenAttention(dim, classes, visual.tokens, visual.column_dim)
            if visual.column_dim
            else build_mlp_head(dim, classes)
        )

    def forward(
        self, features: Float[Tensor, "batch channel time mel"], embeddings: Mapping[str, Tensor]
    ) -> MvaNetOutput:
        tokens = self._join_tokens(embeddings).to(features.dtype)  # (batch, frame, token, channel)
        visible = (~tokens[..., :1, 0].isnan()).to(features.dtype)  # (batch, frame, 1)
        tokens = tokens.nan_to_num(0.0)
        columns = tokens if self.columns is None else self.columns(tokens)
        x = self._fuse(features, embeddings, self.narrow(columns).flatten(2), visible)  # (batch, frame, dim)
        activity = self.activity(x).sigmoid()
        if self.axes is None:
            hidden = self.bands(x, self.trunk.standardize(features))
            log_distance = self.log_distance(hidden)
            azimuth, onscreen = self.seen(self.azimuth(hidden), split_distance(log_distance)[0], tokens, visible)
            return MvaNetOutput(activity, onscreen, azimuth=azimuth, log_distance=log_distance)
        point = self.point(x).unflatten(-1, (self.axes, -1)).transpose(-1, -2)
        attends = isinstance(self.onscreen, OnscreenAttention)
        onscreen = self.onscreen(x, point, columns, visible) if attends else self.onscreen(x)
        return MvaNetOutput(activity, onscreen, point)

    def _join_tokens(self, embeddings: Mapping[str, Tensor]) -> Float[Tensor, "batch frame token channel"]:
        """The tokens of the encoder, and beside each the other's at its place, between the two that are next to it."""
        settings = self.visual_settings
        tokens = embeddings[settings.encoder]
        if not settings.beside:
            return tokens
        other = embeddings[settings.beside].to(tokens.dtype)
        columns = other.flatten(0, 1).transpose(1, 2)  # (batch · frame, channel, column)
        placed = F.interpolate(columns, settings.tokens, mode="linear").transpose(1, 2)
        placed = placed.reshape(*other.shape[:2], *placed.shape[1:])
        return torch.cat([tokens, placed], dim=-1)

    def _fuse(
        self, features: Tensor, embeddings: Mapping[str, Tensor], visual: Tensor, visible: Tensor
    ) -> Float[Tensor, "batch frame dim"]:
        """The four gates, the three stages of both sides, and their sum's last blocks."""
        trunk = self.trunk
        audio = trunk.listen(features)
        visual = self.widen(self.first_gate(_on_frames(audio, visual), visual))
        audio = trunk.enter(audio, features, embeddings)  # (batch, short, dim)
        for stage, (gate, blocks) in enumerate(zip(self.gates, self.visual, strict=True)):
            audio = self._run_audio_stage(audio, stage)
            visual = gate(_on_frames(audio, visual), blocks(visual))
        repeated = (visual * visible).repeat_interleave(audio.shape[1] // visual.shape[1], dim=1)
        fused = self.fusion(audio + repeated)
        return trunk.to_frames(fused.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]

    def _run_audio_stage(self, audio: Tensor, stage: int) -> Tensor:
        """One stage of the audio side: its third of the trunk's blocks."""
        per_stage = len(self.trunk.blocks) // STAGES
        return self.trunk.blocks[stage * per_stage : (stage + 1) * per_stage](audio)  # type: ignore[no-any-return]

    def set_statistics(self, mean: Float[Tensor, "channel mel"], deviation: Float[Tensor, "channel mel"]) -> None:
        """Take over the training data's mean and deviation of each channel and mel band."""
        self.trunk.set_statistics(mean, deviation)

    def settings(self) -> dict[str, Any]:
        """Describe what `from_settings` needs to build this network again: a recipe's [network]."""
        return {
            "trunk": self.trunk.config.to_json(),
            "visual": asdict(self.visual_settings),
            "visual_blocks": self.visual_blocks,
            "fusion_blocks": self.fusion_blocks,
            **({} if self.axes is None else {"axes": self.axes}),
        }


def from_settings(settings: Mapping[str, Any], labels: LabelSet) -> MvaNet:
    """Build a fresh network from the settings of a recipe or a checkpoint."""
    trunk, visual = TrunkConfig.from_json(settings["trunk"]), VisualSettings.from_json(settings["visual"])
    blocks = (settings["visual_blocks"], settings["fusion_blocks"])
    return MvaNet(trunk, visual, *blocks, len(labels), settings.get("axes"))


def to_posterior(output: MvaNetOutput, labels: LabelSet) -> Posterior:
    """Turn the output into a one-track posterior: the place, folded to the front, as direction and distance, 5 cm at
    least."""
    onscreen = output.onscreen.sigmoid()
    if output.azimuth is not None:
        assert output.log_distance is not None
        return posterior_from_polar(output.activity, output.azimuth, output.log_distance, labels, onscreen)
    assert output.point is not None
    point = F.pad(output.point, (0, AXES - output.point.shape[-1])).unsqueeze(-2)
    distance_m = point.norm(dim=-1).clamp_min(NEAREST_M)
    direction = normalize(fold_to_front(point))
    return Posterior(output.activity.unsqueeze(-1), direction, distance_m, onscreen.unsqueeze(-1), labels=labels)


def _blocks(trunk: TrunkConfig, count: int) -> nn.Sequential:
    return nn.Sequential(
        *[ConformerBlock(trunk.dim, trunk.heads, trunk.head_dim, dropout=trunk.dropout) for _ in range(count)]
    )


def _on_frames(audio: Float[Tensor, "batch short dim"], visual: Tensor) -> Float[Tensor, "batch frame dim"]:
    """The mean of the audio side in each frame."""
    if audio.shape[1] == visual.shape[1]:
        return audio
    return F.avg_pool1d(audio.transpose(1, 2), audio.shape[1] // visual.shape[1]).transpose(1, 2)

"""The picture encoder of what a detector knows: the maps of YOLOX-nano, which ships, as columns of the picture."""

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from seldfuse.checkpoint import find_bundled_file
from seldfuse.encoders.shipped_weights import HASH_DIGITS, load_bundled_weights, refuse_weights
from seldfuse.storage.digest import hash_text
from seldfuse.vision.yolox import BUNDLED, YoloxMaps, load_yolox
from seldfuse.weights.find import WeightFiles

HEIGHT_PX, WIDTH_PX, TOKENS, RATE_HZ = 234, 416, 24, 2
FOLDER = "people-and-things"

GROUPS: tuple[tuple[int, ...], ...] = (
    (0,),  # person
    (67,),  # cell phone
    (62, 63),  # television, laptop
    (71,),  # sink
    (68, 69, 70, 72, 78),  # microwave, oven, toaster, refrigerator, hair dryer
    (64, 65, 66),  # mouse, remote control, keyboard
    (56, 57, 59, 60),  # chair, couch, bed, table
    (39, 40, 41, 42, 43, 44, 45),  # bottles and dishes
    (58, 73, 74, 75),  # plant, book, clock, vase
    (14, 15, 16, 17, 18, 19, 20, 21, 22, 23),  # animals
)
"""COCO's things that share a score; whatever is in none of these has the last one."""

PLACES = 5
"""Of the box that speaks most for a person, and for any thing: score, top, bottom, middle and width."""

FEATURES = 64
BANDS = 3
"""Maxima of the upper and of the lower half of the picture's rows, and the mean of all."""

KEPT_FEATURES = 48
CHANNELS = len(GROUPS) + 1 + 2 * PLACES + KEPT_FEATURES


class ColumnProjection(nn.Module):
    """What is kept of the features of a column: their strongest principal components in pictures of scenes to train on,
    at unit variance.
    """

    def __init__(self) -> None:
        super().__init__()
        self.into = nn.Linear(3 * BANDS * FEATURES, KEPT_FEATURES)

    def forward(self, columns: Float[Tensor, "picture column 576"]) -> Float[Tensor, "picture column kept"]:
        return self.into(columns)  # type: ignore[no-any-return]


class PeopleAndThings:
    """`people-and-things`: 24 columns, twice a second.

    A column has a score for each of `GROUPS`, that of the best box above it; place and size of the best person and of
    the best thing, in shares of the picture; and the classifiers' features.
    """

    name = "people-and-things"
    height_px, width_px, rate_hz = HEIGHT_PX, WIDTH_PX, RATE_HZ
    tokens, channels = TOKENS, CHANNELS

    def __init__(self, device: torch.device) -> None:
        weights, projection = load_bundled_weights("projection", FOLDER)
        self.projection = ColumnProjection()
        self.projection.load_state_dict(weights)
        self.projection.eval()
        network = WeightFiles(find_bundled_file(*BUNDLED), None).hash_version()
        self.version = hash_text(f"{network} {projection}", "sha256")[:HASH_DIGITS]
        self.network = load_yolox(str(device))

    @torch.inference_mode()
    def encode(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture column channel"]:
        maps = self.network.compute_maps(pictures.cpu())
        return torch.cat([compute_box_columns(maps), self.projection(compute_feature_columns(maps))], dim=2)


def compute_box_columns(maps: YoloxMaps) -> Float32[Tensor, "picture column 21"]:
    """Compute scores of groups, and places of the best person and thing, of the boxes above each column."""
    found = maps.candidates
    scores = _group_scores(found)  # (picture, candidate, group)
    middle, half = found[..., 0], found[..., 2] / 2
    column_px = (torch.arange(TOKENS) + 0.5) * (WIDTH_PX / TOKENS)
    # A narrow box still stands above the column that it is in.
    reach = half.clamp_min(WIDTH_PX / TOKENS / 2).unsqueeze(-1)
    above = (column_px - middle.unsqueeze(-1)).abs() <= reach  # (picture, candidate, column)
    person, thing = scores[..., 0], scores[..., 1:].amax(dim=-1)
    best = [_place_best(found, one, above, column_px) for one in (person, thing)]
    masked = scores.unsqueeze(2) * above.unsqueeze(3)
    return torch.cat([masked.amax(dim=1), *best], dim=2)


def compute_feature_columns(maps: YoloxMaps) -> Float32[Tensor, "picture column 576"]:
    """Compute the columns on which the projection is fitted: each stride's features, at the places of the tokens."""
    columns = []
    for features in maps.features:
        upper, lower = features.chunk(2, dim=2)
        pooled = torch.cat([upper.amax(dim=2), lower.amax(dim=2), features.mean(dim=2)], dim=1)
        mode = "area" if pooled.shape[-1] >= TOKENS else "linear"
        columns.append(F.interpolate(pooled, TOKENS, mode=mode, align_corners=None if mode == "area" else False))
    return torch.cat(columns, dim=1).transpose(1, 2)


def _group_scores(found: Float32[Tensor, "picture candidate 85"]) -> Float32[Tensor, "picture candidate group"]:
    classes = found[..., 5:] * found[..., 4:5]
    grouped = {cls for group in GROUPS for cls in group}
    rest = [cls for cls in range(classes.shape[-1]) if cls not in grouped]
    return torch.stack([classes[..., list(group)].amax(dim=-1) for group in (*GROUPS, tuple(rest))], dim=-1)


def _place_best(
    found: Float32[Tensor, "picture candidate 85"],
    scores: Float32[Tensor, "picture candidate"],
    above: Tensor,
    column_px: Float32[Tensor, "column"],
) -> Float32[Tensor, "picture column 5"]:
    """Score, top, bottom (shares of the height from the middle), middle (from the column) and width (shares of the
    width) of the best box above each column; what is unlikely is said little of.
    """
    score, which = (scores.unsqueeze(-1) * above).max(dim=1)  # (picture, column)
    box = found.gather(1, which.unsqueeze(-1).expand(-1, -1, found.shape[-1]))[..., :4]
    x, y, width, height = box.unbind(-1)
    top, bottom = ((y + side * height / 2) / HEIGHT_PX - 0.5 for side in (-1, 1))
    told = torch.stack([top, bottom, (x - column_px) / WIDTH_PX, width / WIDTH_PX], dim=-1).clamp(-1.5, 1.5)
    return torch.cat([score.unsqueeze(-1).sqrt(), told * score.unsqueeze(-1).sqrt()], dim=-1)


def load_people_and_things(weights: str | None, device: torch.device) -> PeopleAndThings:
    """Load `people-and-things`. Raises UsageError for weights of one's own, CheckpointError where its own lack."""
    refuse_weights(PeopleAndThings.name, weights)
    return PeopleAndThings(device)

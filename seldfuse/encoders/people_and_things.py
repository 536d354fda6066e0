"""The picture encoder of what a detector knows: the maps of YOLOX-nano, which ships, as columns of the picture."""

import torch
from jaxtyping import Float, Float32, UInt8
from torch import Tensor

from seldfuse.checkpoint import find_bundled_file
from seldfuse.encoders.shipped_weights import HASH_DIGITS, refuse_weights
from seldfuse.storage.digest import hash_text
from seldfuse.vision.yolox import BUNDLED, load_yolox
from seldfuse.weights.find import WeightFiles

HEIGHT_PX, WIDTH_PX, TOKENS, RATE_HZ = 234, 416, 24, 2
NAME = "people-and-things"

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

CHANNELS = len(GROUPS) + 1 + 2 * PLACES

LAYOUT = 2
"""Goes up when columns come to hold other values."""


class PeopleAndThings:
    """`people-and-things`: 24 columns, twice a second.

    A column has the square root of a score for each of `GROUPS`, that of the best box above it; and place and size of
    the best person and of the best thing, in shares of the picture. Nothing of the network's features: with their
    strongest components beside the boxes networks learn pictures by heart, and hear no better on others.
    """

    name = NAME
    height_px, width_px, rate_hz = HEIGHT_PX, WIDTH_PX, RATE_HZ
    tokens, channels = TOKENS, CHANNELS

    def __init__(self, device: torch.device) -> None:
        network = WeightFiles(find_bundled_file(*BUNDLED), None).hash_version()
        self.version = hash_text(f"{network} {LAYOUT}", "sha256")[:HASH_DIGITS]
        self.network = load_yolox(str(device))

    @torch.inference_mode()
    def encode(self, pictures: UInt8[Tensor, "picture 3 height width"]) -> Float[Tensor, "picture column channel"]:
        return compute_columns(self.network.compute_candidates(pictures.cpu()))


def compute_columns(
    found: Float32[Tensor, "picture candidate 85"],
) -> Float32[Tensor, "picture column 21"]:
    """Compute scores of groups, and places of the best person and thing, of the boxes above each column."""
    scores = _group_scores(found)  # (picture, candidate, group)
    middle, half = found[..., 0], found[..., 2] / 2
    column_px = (torch.arange(TOKENS) + 0.5) * (WIDTH_PX / TOKENS)
    # A narrow box still stands above the column that it is in.
    reach = half.clamp_min(WIDTH_PX / TOKENS / 2).unsqueeze(-1)
    above = (column_px - middle.unsqueeze(-1)).abs() <= reach  # (picture, candidate, column)
    person, thing = scores[..., 0], scores[..., 1:].amax(dim=-1)
    best = [_place_best(found, one, above, column_px) for one in (person, thing)]
    masked = scores.unsqueeze(2) * above.unsqueeze(3)
    return torch.cat([masked.amax(dim=1).sqrt(), *best], dim=2)


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
    refuse_weights(NAME, weights)
    return PeopleAndThings(device)

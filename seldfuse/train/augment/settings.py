"""How much of each augmentation."""

from dataclasses import asdict, dataclass

from seldfuse.errors import UsageError


@dataclass(frozen=True)
class AugmentationSettings:
    """Shares of the clips, from 0 to 1, to which each augmentation happens; and a gain in dB, which happens to all.

    Raises UsageError for a share outside 0 to 1 and for a gain that is negative or no number.
    """

    channel_swap: float = 0.5
    """Left and right change places."""
    mixup: float = 0.0
    """Another clip of the batch sounds along."""
    overlay: float = 0.0
    """Another clip, one with the same classes, sounds at the same time out of the picture."""
    gain_db: float = 0.0
    """Every clip gets louder or softer by up to this much."""
    spec_mask: float = 0.0
    """A few mel bands and a moment are blanked out."""
    band_filter: float = 0.0
    """Mel bands get louder or softer by up to 6 dB, as in another room or through another microphone."""
    band_limit: float = 0.0
    """Above a random frequency from 3 to 10 kHz there is nothing."""
    band_shift: float = 0.0
    """The spectrum moves up or down by up to four mel bands."""
    drop_picture: float = 0.0
    """There is no picture."""
    codec: float = 0.0
    """The sound goes through a lossy codec before features are made of it."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name == "gain_db":
                if not 0.0 <= value < float("inf"):
                    raise UsageError(f"augmentation gain_db must be 0 dB or more, got {value}")
            elif not 0.0 <= value <= 1.0:
                raise UsageError(f"augmentation {name} must be a share of the clips, from 0 to 1, got {value}")

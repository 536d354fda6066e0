"""How texts for people give an azimuth; files have signed degrees, positive to the left."""

MOVES_DEG = 20.0
"""An event whose azimuth changes by more is shown as moving; the challenge counts azimuths as right up to here."""


def format_azimuth(azimuth_deg: float) -> str:
    """Format an azimuth for people: "30° left", "12° right", "front", or a dash where it is unknown."""
    if azimuth_deg != azimuth_deg:
        return "–"
    side = "left" if azimuth_deg > 0 else "right"
    return "front" if abs(azimuth_deg) < 0.5 else f"{abs(azimuth_deg):.0f}° {side}"


def format_azimuth_range(mean_deg: float, low_deg: float, high_deg: float) -> str:
    """Format where an event is, or between which azimuths it moves, from left to right: "40° left – 10° right"."""
    if not high_deg - low_deg > MOVES_DEG:
        return format_azimuth(mean_deg)
    return f"{format_azimuth(high_deg)} – {format_azimuth(low_deg)}"

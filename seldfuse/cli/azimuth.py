"""How tables write an azimuth; files have signed degrees, positive to the left."""


def format_azimuth(azimuth_deg: float) -> str:
    """Format an azimuth for people: "30° left", "12° right", "front", or a dash where it is unknown."""
    if azimuth_deg != azimuth_deg:
        return "–"
    side = "left" if azimuth_deg > 0 else "right"
    return "front" if abs(azimuth_deg) < 0.5 else f"{abs(azimuth_deg):.0f}° {side}"

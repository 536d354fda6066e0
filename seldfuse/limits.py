"""How large what is read may be. What is larger is a mistake or an attack, and is refused before it is read."""

MOST_SETTINGS_BYTES = 2**20
"""Of a file of settings, TOML, and of the JSON beside weights."""

MOST_DOCUMENT_BYTES = 2**28
"""Of a JSON file that holds results: 256 MiB are some days of events."""

MOST_LABEL_BYTES = 2**25
"""Of a CSV file of events: one source through all frames of a day takes 20 MB."""

MOST_LINE_BYTES = 2**24
"""Of a line of JSON, such as the plan of a scene."""

MOST_HEADER_BYTES = 2**24
"""Of the header of a safetensors file."""

DEEPEST_KEY = 32
"""Parts of a dotted key of TOML."""

LARGEST_NUMBER = 1e9
"""Of settings: beyond that no number means anything here, and sums of such leave single precision."""

LONGEST_S = 86_400.0
"""A recording of a day."""

LONGEST_HOP_S = 10.0
SHORTEST_HOP_S = 0.001
"""From one frame of a posterior to the next."""

FARTHEST_M = 1000.0
"""Sources are not farther away."""

MOST_DETECTIONS = 10**7
"""Rows of a file of detections: a few packed bytes can stand for any number of them."""

LARGEST_PICTURE_PX = 2**26
"""Twice the pixels of an 8K picture."""

LOUDEST = 1e10
"""Of samples, full scale at 1: 200 dB above it. Integers that were stored as floats are below."""

MOST_PARAMETERS = 10**9
"""Weights of a network: some hundred times the largest one here."""

"""The grid on which everything here stands: the challenge's frames, rate, clips and tracks."""

FRAMES_PER_S = 10
FRAME_S = 0.1
"""Seconds from one frame of labels and posteriors to the next."""

SAMPLE_RATE_HZ = 24_000
"""The challenge's rate, which every model here works at."""

SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FRAMES_PER_S

WINDOW_FRAMES = 50
"""Frames of a window: five seconds, the length of the challenge's clips, which every model here is trained on."""

WINDOW_S = WINDOW_FRAMES / FRAMES_PER_S
WINDOW_SAMPLES = WINDOW_FRAMES * SAMPLES_PER_FRAME

TRACKS = 3
"""Sources of one class at the same time that labels and networks tell apart."""

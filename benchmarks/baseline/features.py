"""Sound and log-mel as the DCASE 2025 Task 3 baseline has them, through librosa."""

from pathlib import Path

import librosa
import numpy as np
from jaxtyping import Float32

SAMPLE_RATE_HZ = 24_000
FFT_SAMPLES = 1024
WINDOW_SAMPLES = 960
HOP_SAMPLES = 480
MELS = 64
RANGE_DB = 80.0


def read_audio(path: Path) -> Float32[np.ndarray, "2 sample"]:
    samples: np.ndarray = librosa.load(path, sr=SAMPLE_RATE_HZ, mono=False)[0]
    return samples


def compute_baseline_logmel(samples: Float32[np.ndarray, "2 sample"]) -> Float32[np.ndarray, "2 time 64"]:
    """Compute log-mel in dB, cut at 80 dB below the loudest cell of both channels; time counts 20 ms hops."""
    columns = librosa.stft(samples, n_fft=FFT_SAMPLES, hop_length=HOP_SAMPLES, win_length=WINDOW_SAMPLES)
    power = librosa.feature.melspectrogram(S=np.abs(columns) ** 2, sr=SAMPLE_RATE_HZ, n_mels=MELS)
    logmel_db: np.ndarray = librosa.power_to_db(power, top_db=RANGE_DB)  # (2, 64, time)
    return logmel_db.swapaxes(1, 2).astype(np.float32)

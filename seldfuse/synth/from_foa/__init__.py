"""Stereo clips with flat pictures, cut from first-order Ambisonics, panoramic video and labels.

By the rule that the challenge's data set was made by (Shimada et al., "Stereo Sound Event Localization and Detection
with Onscreen/offscreen Classification", 2025, and its program SonyResearch/dcase2025_stereo_seld_data_generator).
"""

"""Stereo clips with flat pictures, cut from first-order Ambisonics, panoramic video and labels.

By the rule that the challenge made its data set with (SonyResearch/dcase2025_stereo_seld_data_generator; Shimada et al.,
"Stereo Sound Event Localization and Detection with Onscreen/offscreen Classification", 2025).
"""

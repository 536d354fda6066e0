"""Everything that seldfuse itself brings, apart from the plugins that it is shipped with: one value for each.

To add one, write its file and one value here. Registered through the hooks that everybody uses.
"""

from collections.abc import Callable

from seldfuse.catalogue.hooks import hookimpl
from seldfuse.catalogue.values import Augmentation, Encoder, Feature, PairLimits, PublishedWeights, Score, Writer

LICENSE = "Apache-2.0"

FEATURES = (
    Feature(
        name="spectrum",
        api_version=2,
        summary="short-time Fourier transform of the two channels",
        license=LICENSE,
        compute="seldfuse.features.spectrum:compute_spectrum",
        channels=2,
        bins=513,
        listed=False,
    ),
    Feature(
        name="mel_power",
        api_version=2,
        summary="power of the two channels per mel band",
        license=LICENSE,
        compute="seldfuse.features.spectrum:compute_mel_power",
        channels=2,
        axis="mel",
        needs=("spectrum",),
        listed=False,
    ),
    Feature(
        name="mel_cross_power",
        api_version=2,
        summary="cross-power of the two channels per mel band, its real part",
        license=LICENSE,
        compute="seldfuse.features.spectrum:compute_mel_cross_power",
        axis="mel",
        needs=("spectrum",),
        listed=False,
    ),
    Feature(
        name="logmel",
        api_version=2,
        summary="log-mel spectrograms of the two channels",
        license=LICENSE,
        compute="seldfuse.features.logmel:compute_logmel",
        channels=2,
        axis="mel",
        needs=("mel_power",),
        mirror="swap",
        add="seldfuse.features.logmel:add_logmel",
        level="decibel",
    ),
    Feature(
        name="ild",
        api_version=2,
        summary="level difference between left and right per mel band",
        license=LICENSE,
        compute="seldfuse.features.ild:compute_ild",
        axis="mel",
        needs=("mel_power",),
        mirror="negate",
        add="seldfuse.features.ild:add_ild",
        level="independent",
        alike=("intensity",),
    ),
    Feature(
        name="intensity",
        api_version=2,
        summary="mid-side intensity per mel band, from right to left",
        license=LICENSE,
        compute="seldfuse.features.intensity:compute_intensity",
        axis="mel",
        needs=("mel_power",),
        mirror="negate",
        add="seldfuse.features.intensity:add_intensity",
        level="independent",
        alike=("ild",),
    ),
    Feature(
        name="stpacc",
        api_version=2,
        summary="short-term power of the autocorrelation: how the room answers",
        license=LICENSE,
        compute="seldfuse.features.stpacc:compute_stpacc",
        axis="lag",
        mirror="same",
        add="seldfuse.features.stpacc:add_stpacc",
        level="independent",
    ),
    Feature(
        name="direct",
        api_version=2,
        summary="direct path per mel band: its direction and its share, all in all and at onsets",
        license=LICENSE,
        compute="seldfuse.features.direct:compute_direct",
        channels=6,
        axis="mel",
        needs=("mel_power", "mel_cross_power"),
        mirror="seldfuse.features.direct:mirror_direct",
        add="seldfuse.features.direct:add_direct",
        level="independent",
    ),
)

SCORES = (
    Score(
        name="f20_1",
        api_version=2,
        summary="F score of the challenge: azimuth and distance within their limits",
        license=LICENSE,
        title="F20/1",
        meaning="F: at most 20° off and distance off by at most itself",
        higher_is_better=True,
        limits=PairLimits(azimuth_deg=20.0, relative_distance=1.0),
        needs=("azimuth", "distance"),
        absent_class="zero",
        can_fit=True,
    ),
    Score(
        name="f20_1_on",
        api_version=2,
        summary="F score of the challenge's audio-visual track: on-screen must be right as well",
        license=LICENSE,
        title="F20/1/on",
        meaning="F: the same, and on-screen right",
        higher_is_better=True,
        limits=PairLimits(azimuth_deg=20.0, relative_distance=1.0, onscreen=True),
        needs=("azimuth", "distance", "onscreen"),
        absent_class="zero",
        can_fit=True,
    ),
    Score(
        name="f20",
        api_version=2,
        summary="F score with a limit on azimuth alone",
        license=LICENSE,
        title="F20",
        meaning="F: at most 20° off",
        higher_is_better=True,
        limits=PairLimits(azimuth_deg=20.0),
        needs=("azimuth",),
        absent_class="zero",
        can_fit=True,
    ),
    Score(
        name="f1",
        api_version=2,
        summary="F score with a limit on distance alone",
        license=LICENSE,
        title="F1",
        meaning="F: distance off by at most itself",
        higher_is_better=True,
        limits=PairLimits(relative_distance=1.0),
        needs=("distance",),
        absent_class="zero",
        can_fit=True,
    ),
    Score(
        name="f20_03",
        api_version=2,
        summary="F score for which one distance for all sources is not enough",
        license=LICENSE,
        title="F20/0.3",
        meaning="F: at most 20° off and distance by at most 0.3 of it",
        higher_is_better=True,
        limits=PairLimits(azimuth_deg=20.0, relative_distance=0.3),
        needs=("azimuth", "distance"),
        absent_class="zero",
        can_fit=True,
    ),
    Score(
        name="f03",
        api_version=2,
        summary="F score with a narrow limit on distance alone",
        license=LICENSE,
        title="F0.3",
        meaning="F: distance off by at most 0.3 of it",
        higher_is_better=True,
        limits=PairLimits(relative_distance=0.3),
        needs=("distance",),
        absent_class="zero",
        can_fit=True,
    ),
    Score(
        name="f_class",
        api_version=2,
        summary="F score of class and frame, wherever the sources are",
        license=LICENSE,
        title="F of class",
        meaning="F: class and frame only",
        higher_is_better=True,
        limits=PairLimits(),
        absent_class="zero",
        can_fit=True,
    ),
    Score(
        name="doae_deg",
        api_version=2,
        summary="mean error of azimuth over all pairs",
        license=LICENSE,
        title="DOAE",
        meaning="azimuth error",
        higher_is_better=False,
        unit="°",
        digits=1,
        count="seldfuse.metrics.pair_errors:count_errors",
        compute="seldfuse.metrics.pair_errors:compute_azimuth_error",
        needs=("azimuth",),
    ),
    Score(
        name="rde",
        api_version=2,
        summary="mean error of distance over all pairs, relative to the true one",
        license=LICENSE,
        title="RDE",
        meaning="relative distance error",
        higher_is_better=False,
        count="seldfuse.metrics.pair_errors:count_errors",
        compute="seldfuse.metrics.pair_errors:compute_relative_distance_error",
        needs=("distance",),
    ),
    Score(
        name="distance_error_m",
        api_version=2,
        summary="mean error of distance over all pairs",
        license=LICENSE,
        title="distance error",
        meaning="distance error",
        higher_is_better=False,
        unit="m",
        digits=2,
        count="seldfuse.metrics.pair_errors:count_errors",
        compute="seldfuse.metrics.pair_errors:compute_distance_error",
        needs=("distance",),
    ),
    Score(
        name="osa",
        api_version=2,
        summary="share of the pairs whose on-screen flag is right",
        license=LICENSE,
        title="OSA",
        meaning="on-screen accuracy",
        higher_is_better=True,
        count="seldfuse.metrics.pair_errors:count_errors",
        compute="seldfuse.metrics.pair_errors:compute_onscreen_accuracy",
        needs=("onscreen",),
    ),
)

AUGMENTATIONS = (
    Augmentation(
        name="channel_swap",
        api_version=2,
        summary="left and right change places",
        license=LICENSE,
        apply="seldfuse.train.augment.channel_swap:swap_channels",
        order=10,
        default=0.5,
        uses=("mirror",),
    ),
    Augmentation(
        name="mixup",
        api_version=2,
        summary="another clip of the batch sounds along, softer",
        license=LICENSE,
        apply="seldfuse.train.augment.mixup:mix_clips",
        order=80,
    ),
    Augmentation(
        name="overlay",
        api_version=2,
        summary="another clip, one with the same classes, sounds at the same time out of the picture",
        license=LICENSE,
        apply="seldfuse.train.augment.overlay:overlay_clips",
        order=20,
        uses=("add",),
        features=("logmel",),
    ),
    Augmentation(
        name="gain_db",
        api_version=2,
        summary="every clip gets louder or softer by up to so many decibels",
        license=LICENSE,
        apply="seldfuse.train.augment.gain:change_gain",
        order=60,
        amount="decibel",
        uses=("level",),
    ),
    Augmentation(
        name="spec_mask",
        api_version=2,
        summary="a few mel bands and a moment are masked",
        license=LICENSE,
        apply="seldfuse.train.augment.spec_mask:mask_bands_and_time",
        order=70,
    ),
    Augmentation(
        name="band_filter",
        api_version=2,
        summary="mel bands get louder or softer by up to 6 dB, as through another microphone",
        license=LICENSE,
        apply="seldfuse.train.augment.band_filter:filter_bands",
        order=40,
        uses=("level", "axis"),
    ),
    Augmentation(
        name="band_limit",
        api_version=2,
        summary="above a random frequency from 3 to 10 kHz there is nothing",
        license=LICENSE,
        apply="seldfuse.train.augment.band_limit:limit_bandwidth",
        order=50,
        uses=("level", "axis"),
    ),
    Augmentation(
        name="band_shift",
        api_version=2,
        summary="the spectrum moves up or down by up to four mel bands",
        license=LICENSE,
        apply="seldfuse.train.augment.band_shift:shift_bands",
        order=30,
    ),
    Augmentation(
        name="drop_picture",
        api_version=2,
        summary="there is no picture",
        license=LICENSE,
        apply="seldfuse.train.augment.drop_picture:drop_picture",
        order=90,
    ),
    Augmentation(
        name="codec",
        api_version=2,
        summary="the sound passes a lossy codec before features are made of it",
        license=LICENSE,
        apply="seldfuse.train.augment.codec:encode_lossy",
        order=10,
        stage="audio",
    ),
)
"""In the order in which recipes list them."""

RESNET50 = PublishedWeights("microsoft/resnet-50", ("resnet50", "resnet50-map"), 103, LICENSE)

ENCODERS = (
    Encoder(
        name="compact-image",
        api_version=2,
        summary="pictures: 14 columns, 5 times a second, ships with seldfuse",
        license=LICENSE,
        load="seldfuse.encoders.compact_image:load_compact_image",
        input="pictures",
        has_mirror=True,
    ),
    Encoder(
        name="compact-audio",
        api_version=2,
        summary="log-mel spectrograms: the kind of sound of every 100 ms, ships with seldfuse",
        license=LICENSE,
        load="seldfuse.encoders.compact_audio:load_compact_audio",
        input="logmel",
    ),
    Encoder(
        name="yamnet",
        api_version=2,
        summary="sound: YAMNet's embedding of a window and of every 100 ms, ships with seldfuse",
        license=LICENSE,
        load="seldfuse.encoders.yamnet:load_yamnet",
        input="audio",
    ),
    Encoder(
        name="yamnet-seld",
        api_version=2,
        summary="log-mel spectrograms: YAMNet's embedding of every 100 ms, taught on scenes, ships with seldfuse",
        license=LICENSE,
        load="seldfuse.encoders.yamnet_seld:load_yamnet_seld",
        input="logmel",
    ),
    Encoder(
        name="resnet50",
        api_version=2,
        summary="pictures: 7 columns of 7 rows of ResNet-50's mean map, 10 times a second",
        license=LICENSE,
        requires=("transformers",),
        extra="encoders",
        load="seldfuse.encoders.resnet50:load_resnet50",
        input="pictures",
        has_mirror=True,
        published=(RESNET50,),
    ),
    Encoder(
        name="resnet50-map",
        api_version=2,
        summary="pictures: 49 places of ResNet-50's whole map, 10 times a second",
        license=LICENSE,
        requires=("transformers",),
        extra="encoders",
        load="seldfuse.encoders.resnet50:load_resnet50_map",
        input="pictures",
        has_mirror=True,
        published=(RESNET50,),
    ),
    Encoder(
        name="owlvit",
        api_version=2,
        summary="pictures: 24 columns of OWL-ViT's patches, twice a second",
        license=LICENSE,
        requires=("transformers",),
        extra="encoders",
        load="seldfuse.encoders.owlvit:load_owlvit",
        input="pictures",
        has_mirror=True,
        published=(PublishedWeights("google/owlvit-base-patch32", ("owlvit",), 613, LICENSE),),
    ),
    Encoder(
        name="clap",
        api_version=2,
        summary="sound: CLAP's embedding of a window and of every 100 ms",
        license=LICENSE,
        requires=("transformers",),
        extra="encoders",
        load="seldfuse.encoders.clap:load_clap",
        input="audio",
        published=(PublishedWeights("laion/clap-htsat-unfused", ("clap",), 615, LICENSE),),
    ),
)

WRITERS = (
    Writer(
        name="dcase",
        api_version=2,
        summary="the challenge's CSV, a row per active frame: frame, class, source, azimuth, distance, on-screen",
        license=LICENSE,
        write="seldfuse.formats.dcase:write_result",
        suffix=".csv",
        needs=("direction",),
    ),
    Writer(
        name="json",
        api_version=2,
        summary="events in seconds, degrees and metres, and the active frames",
        license=LICENSE,
        write="seldfuse.formats.json:write_result",
        suffix=".json",
    ),
)


@hookimpl
def seldfuse_register_features(register: Callable[[Feature], None]) -> None:
    for value in FEATURES:
        register(value)


@hookimpl
def seldfuse_register_scores(register: Callable[[Score], None]) -> None:
    for value in SCORES:
        register(value)


@hookimpl
def seldfuse_register_augmentations(register: Callable[[Augmentation], None]) -> None:
    for value in AUGMENTATIONS:
        register(value)


@hookimpl
def seldfuse_register_encoders(register: Callable[[Encoder], None]) -> None:
    for value in ENCODERS:
        register(value)


@hookimpl
def seldfuse_register_writers(register: Callable[[Writer], None]) -> None:
    for value in WRITERS:
        register(value)

"""One of everything that can be added, each with its code in a module of its own."""

from seldfuse.sdk import Augmentation, Backend, Encoder, Feature, PostProcessor, Score, Writer, hookimpl


@hookimpl
def seldfuse_register_features(register):
    register(
        Feature(
            name="pan",
            api_version=2,
            summary="sine and cosine of the pan angle per mel band",
            compute="acme_full.pan:compute_pan",
            channels=2,
            axis="mel",
            needs=("mel_power",),
            mirror="acme_full.pan:mirror_pan",
            add="acme_full.pan:add_pan",
            level="independent",
        )
    )
    # Other bins, and a level: it is stacked with its like alone.
    register(
        Feature(
            name="fine_level",
            api_version=2,
            summary="level of both channels per 23 Hz, up to 2.2 kHz",
            compute="acme_full.pan:compute_fine_level",
            channels=2,
            bins=96,
            needs=("spectrum",),
            mirror="swap",
            level="decibel",
        )
    )
    # It states nothing but its size: it may be trained without what would change it.
    register(
        Feature(
            name="left_power",
            api_version=2,
            summary="power of the left channel per mel band",
            compute="acme_full.pan:compute_left_power",
            axis="mel",
            needs=("mel_power",),
        )
    )


@hookimpl
def seldfuse_register_augmentations(register):
    register(
        Augmentation(
            name="time_reverse",
            api_version=2,
            summary="time runs backwards",
            apply="acme_full.augment:reverse_time",
            order=35,
        )
    )
    register(
        Augmentation(
            name="hiss",
            api_version=2,
            summary="soft white noise in both channels",
            apply="acme_full.augment:add_hiss",
            order=5,
            stage="audio",
        )
    )


@hookimpl
def seldfuse_register_backends(register):
    register(
        Backend(
            name="panner",
            api_version=2,
            summary="two linear layers over the features of a frame",
            load="acme_full.panner:load",
            task="acme_full.panner:PannerTask",
            provides=("activity", "direction", "distance"),
        )
    )
    register(
        Backend(
            name="sider",
            api_version=2,
            summary="the same with tokens of levels, the best by its wrong sides",
            load="acme_full.panner:load_sider",
            task="acme_full.panner:SiderTask",
            provides=("activity", "direction", "distance"),
        )
    )


@hookimpl
def seldfuse_register_encoders(register):
    register(
        Encoder(
            name="levels",
            api_version=2,
            summary="the level of a window and of every 100 ms",
            load="acme_full.levels:load",
            input="audio",
        )
    )


@hookimpl
def seldfuse_register_scores(register):
    register(
        Score(
            name="wrong_side",
            api_version=2,
            summary="share of the pairs on the wrong side",
            title="wrong side",
            meaning="share of the pairs on the wrong side",
            higher_is_better=False,
            count="acme_full.worst:count_wrong_sides",
            compute="acme_full.worst:compute_share",
            needs=("azimuth",),
        )
    )


@hookimpl
def seldfuse_register_postprocessors(register):
    register(
        PostProcessor(
            name="halve",
            api_version=2,
            summary="activities become a share of what they are",
            load="acme_full.quiet:load_halving",
            takes="posterior",
        )
    )
    register(
        PostProcessor(
            name="first-second",
            api_version=2,
            summary="events of the first second alone",
            load="acme_full.quiet:load_first_second",
            takes="events",
        )
    )


@hookimpl
def seldfuse_register_writers(register):
    register(
        Writer(name="tab", api_version=2, summary="segments for Audacity", write="acme_full.tab:write", suffix=".txt")
    )

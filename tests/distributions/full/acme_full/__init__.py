"""One of everything that can be added, each with its code in a module of its own."""

from seldfuse.sdk import Augmentation, Backend, Feature, hookimpl


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

"""The baseline of DCASE 2025 Task 3: up to three sources of each class, with direction and distance."""

from collections.abc import Callable

from seldfuse.sdk import Backend, PublishedWeights, hookimpl

CHALLENGE = PublishedWeights(
    reference="partha2409/DCASE2025_seld_baseline",
    users=("baseline",),
    size_mb=9,
    license="MIT",
    settings=(),
    weights=("best_model.pth",),
    address=(
        "https://raw.githubusercontent.com/partha2409/DCASE2025_seld_baseline/42a48b6456b73be35ad0e1a9ffeb6ceef83ae0bd"
        "/checkpoints/SELDnet_audio_multiACCDOA_20250331_152343/best_model.pth"
    ),
    git_blob="9246d268b6cac0d7031c98f82fca13c883141e22",
)
"""The audio model that the challenge's organizers trained, in their repository as of May 2025."""


@hookimpl
def seldfuse_register_backends(register: Callable[[Backend], None]) -> None:
    register(
        Backend(
            name="baseline",
            aliases=("dcase2025-baseline",),
            api_version=2,
            summary="the baseline of DCASE 2025 Task 3: up to three sources of each class, from where and how far",
            load="seldfuse_baseline.infer:load",
            task="seldfuse_baseline.train:BaselineTask",
            provides=("activity", "direction", "distance"),
            default_checkpoint="baseline-small",
            convert="seldfuse_baseline.published:convert",
            published=(CHALLENGE,),
            license="Apache-2.0",
        )
    )

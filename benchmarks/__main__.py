"""Times a run stage by stage on the CPU: `python -m benchmarks`; other benchmarks are its commands."""

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import tomli_w
import typer
from rich.console import Console, RenderableType

from benchmarks.speed.report import BACKENDS, tables, to_document
from benchmarks.speed.timing import interleaved
from benchmarks.studies.cases import cases
from benchmarks.studies.material import BATCH, cut_clips, write_clips
from benchmarks.studies.ways import run_seldfuse, shares
from seldfuse.core.run_stats import RunStats
from seldfuse.fusion.fitted import find_path
from seldfuse.inference.load import load_backends
from seldfuse.media.inputs import find_clips

ROUNDS = 15
START_ROUNDS = 7
SYNTH_ROUNDS, DISK_CLIPS = 5, 24
POST_TIMED = 4
VIDEO_ROUNDS = 2
FOA_SOUND_S, FOA_VIDEO_S = 400, 60
OVERLAY_S = 30
FUSED_CLIPS, SLOW_CLIPS = 10_000, 10
LAW_SCENES = 300
STATISTICS_SCENES = 2000
CUE_SCENES = 1000
RESULTS = Path(__file__).parent / "results"
DOCS = Path(__file__).parent.parent / "docs"
CHECKPOINTS = DOCS.parent / "checkpoints"
ABOUT_VISION = "Fitted on scenes of their own with MoveNet and YOLOX; `python -m benchmarks post-fit` writes this file."
ABOUT_TUNED = "Fitted for the bundled {}; `make fit` and `python -m benchmarks tuning` write this file."
IMAGES = DOCS / "images"

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def main(context: typer.Context) -> None:
    """Time a run of seldfuse stage by stage; this is what happens without a command."""
    if context.invoked_subcommand is None:
        with TemporaryDirectory() as folder:
            result = measure(Path(folder), ROUNDS)
        _save(result, "latest.json", tables(result))


@app.command()
def limits(rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = START_ROUNDS) -> None:
    """Measure what runs cost beside their limits; fails where one is broken by more than 15 %."""
    from benchmarks.speed import limits as speed_limits

    with TemporaryDirectory() as folder:
        result = speed_limits.measure(rounds, Path(folder))
    _save(result, "limits.json", speed_limits.tables(result))
    if broken := speed_limits.list_broken(result):
        print(f"broken: {'; '.join(broken)}", file=sys.stderr)
        raise typer.Exit(1)


@app.command()
def synth_speed() -> None:
    """Time the making of scenes, and responses of rooms beside pyroomacoustics."""
    from benchmarks.speed import synth

    with TemporaryDirectory() as folder:
        result = synth.measure(SYNTH_ROUNDS, DISK_CLIPS, Path(folder))
    _save(result, "synth-speed.json", synth.tables(result))


@app.command()
def start_speed(rounds: Annotated[int, typer.Option(min=1, help="How often each is timed.")] = START_ROUNDS) -> None:
    """Time a whole run on a short clip, beside importing torch."""
    from benchmarks.speed import start

    with TemporaryDirectory() as folder:
        result = start.measure(rounds, Path(folder))
    _save(result, "start-speed.json", start.tables(result))


@app.command()
def eyes_speed() -> None:
    """Time audio-visual networks on videos, and pictures encoded together beside one by one."""
    from benchmarks.speed import eyes as speed_eyes

    with TemporaryDirectory() as folder:
        result = speed_eyes.measure(VIDEO_ROUNDS, Path(folder))
    _save(result, "eyes-speed.json", speed_eyes.table(result))


@app.command()
def post_speed(
    sounds: Annotated[Path, typer.Option(help="The sounds that the frozen scenes are made of.")],
    sprites: Annotated[Path, typer.Option(help="The cut-outs that their pictures are made of.")],
    data: Annotated[Path, typer.Option(help="Folder of the rendered scenes.")] = Path("out/validation-v1"),
    clips: Annotated[int, typer.Option(min=POST_TIMED, help="Number of scenes to score.")] = 100,
) -> None:
    """Time the correction of the frozen audio-visual scenes by MoveNet, and score detections in every frame."""
    from benchmarks.sets import results as sets_results
    from benchmarks.speed import post as speed_post

    split = sets_results.render_audio_visual(data, sounds, sprites, os.cpu_count() or 1)
    result = speed_post.measure(split, clips, POST_TIMED, VIDEO_ROUNDS)
    _save(result, "post-speed.json", speed_post.table(result))


@app.command()
def foa_speed() -> None:
    """Time the cutting of clips from first-order recordings, with and without videos."""
    from benchmarks.speed import foa

    with TemporaryDirectory() as folder:
        result = foa.measure(FOA_SOUND_S, FOA_VIDEO_S, Path(folder))
    _save(result, "foa-speed.json", foa.tables(result))


@app.command()
def train_speed() -> None:
    """Time a training step and a window of inference of each network, beside the baseline's."""
    from benchmarks.speed import train

    result = train.measure(ROUNDS)
    _save(result, "train-speed.json", train.tables(result))


@app.command()
def overlay_speed() -> None:
    """Time drawing what was found into videos."""
    from benchmarks.speed import overlay

    with TemporaryDirectory() as folder:
        result = overlay.measure(OVERLAY_S, Path(folder))
    _save(result, "overlay-speed.json", overlay.tables(result))


@app.command()
def fusion_speed() -> None:
    """Time fusing, smoothing and decoding the posteriors of five members of ten thousand clips."""
    from benchmarks.speed import fusion

    result = fusion.measure(FUSED_CLIPS, SLOW_CLIPS)
    _save(result, "fusion-speed.json", fusion.tables(result))


@app.command()
def tuning_speed() -> None:
    """Time tuning on the posteriors of five members of ten thousand clips; takes minutes."""
    from benchmarks.speed import tuning as speed_tuning

    result = speed_tuning.measure(FUSED_CLIPS, print)
    _save(result, "tuning-speed.json", speed_tuning.tables(result))


@app.command()
def stereo_law() -> None:
    """Check whether left and right give a source's azimuth as they should; takes two minutes."""
    from benchmarks.sets.plans import procedural_stage
    from benchmarks.studies import stereo_law

    result = stereo_law.measure(procedural_stage(), LAW_SCENES)
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "stereo-law.svg").write_text(stereo_law.picture(result), encoding="utf-8")
    _save(result, "stereo-law.json", stereo_law.tables(result))


@app.command()
def statistics(
    sounds: Annotated[Path, typer.Option(help="The sounds that the scenes are made of.")],
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes are drawn.")] = STATISTICS_SCENES,
) -> None:
    """Count drawn scenes' labels as real ones were counted."""
    from benchmarks.studies import scene_statistics

    result = scene_statistics.measure(sounds, scenes)
    _save(result, "scene-statistics.json", scene_statistics.table(result))


@app.command()
def acoustics(
    sounds: Annotated[Path, typer.Option(help="The sounds that the scenes are made of.")],
    scenes: Annotated[int, typer.Option(min=1, help="How many scenes are drawn.")] = STATISTICS_SCENES,
) -> None:
    """Measure distances and direct-to-reverberant ratios in drawn scenes."""
    from benchmarks.studies import acoustics as studies_acoustics

    result = studies_acoustics.measure(sounds, scenes)
    _save(result, "acoustics.json", studies_acoustics.tables(result))


@app.command()
def distance_cues(
    sounds: Annotated[Path, typer.Option(help="The sounds that the scenes are made of.")],
    scenes: Annotated[
        int, typer.Option(min=10, help="How many scenes are fitted on, and how many tried.")
    ] = CUE_SCENES,
) -> None:
    """Measure what each feature knows of distance and azimuth."""
    from benchmarks.studies import distance_cues

    result = distance_cues.measure(sounds, scenes)
    _save(result, "distance-cues.json", distance_cues.tables(result))


@app.command()
def pra_scenes(
    plans: Annotated[Path, typer.Argument(help="File of plans, JSON lines.", show_default=False)],
    out: Annotated[Path, typer.Argument(help="Folder of the data set.", show_default=False)],
    sounds: Annotated[Path, typer.Option(help="The sounds that the plans take, of which some are held out.")],
    split: Annotated[str, typer.Option(help="Name of the split.")] = "dev-test-pra",
    jobs: Annotated[int, typer.Option(min=1, help="Number of processes.")] = 1,
) -> None:
    """Render plans in pyroomacoustics' rooms, in the challenge's layout; goes on where it was stopped."""
    from benchmarks.sets.pra_scenes import write_scenes
    from seldfuse.synth.dataset.folder import DatasetSplit

    for name in write_scenes(plans, DatasetSplit(out, split), sounds, jobs):
        print(name)


@app.command()
def results(
    sounds: Annotated[Path, typer.Option(help="The sounds that the frozen scenes are made of.")],
    data: Annotated[Path, typer.Option(help="Folder of the rendered scenes.")] = Path("out/validation-v1"),
    backends: Annotated[str, typer.Option(help="Backends to score, as for seldfuse run.")] = "baseline,doa,sde,sce",
    sets: Annotated[str | None, typer.Option(help="Names of frozen sets, with commas; all.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Render the frozen scenes, score backends and ensembles on them, and renew docs/results.md and its pictures.

    Scenes that are there are not rendered again.
    """
    from rich.markdown import Markdown

    from benchmarks.pages import results as pages_results
    from benchmarks.pages import skill as pages_skill
    from benchmarks.sets import results as sets_results
    from benchmarks.sets import yardstick
    from benchmarks.studies import results as studies_results

    requests, names = studies_results.select_backends(backends), sets_results.select_sets(sets)
    splits = sets_results.render_sets(data, sounds, jobs or os.cpu_count() or 1, names)
    print(f"inferring {', '.join(splits)}; takes minutes")
    plans = {name: sets_results.read_set_plans(name) for name in names}
    bank = yardstick.frozen_sounds(sounds, [sets_results.SETS[name].version for name in names])
    result = studies_results.measure(splits, plans, requests, bank)
    pages_skill.write_pictures(result, pages_results.list_shown(result), IMAGES)
    _save(result, "results.json", Markdown(pages_results.tables(result)))
    _renew(DOCS / "results.md", pages_results.tables(result))


@app.command()
def successors(
    sounds: Annotated[Path, typer.Option(help="The sounds that the frozen scenes are made of.")],
    before: Annotated[str, typer.Option(help="The checkpoints before: doa@FOLDER,sde@FOLDER,…")],
    data: Annotated[Path, typer.Option(help="Folder of the rendered scenes.")] = Path("out/validation-v1"),
    backends: Annotated[str, typer.Option(help="Backends to compare, as for seldfuse run.")] = "baseline,doa,sde,sce",
    sets: Annotated[str | None, typer.Option(help="Names of frozen sets, with commas; all.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Compare checkpoints with those before them on the frozen scenes, pair by pair."""
    from benchmarks.sets import results as sets_results
    from benchmarks.sets import yardstick
    from benchmarks.studies import results as studies_results
    from benchmarks.studies import successors as studies_successors

    new, old = (studies_results.select_backends(text) for text in (backends, before))
    names = sets_results.select_sets(sets)
    splits = sets_results.render_sets(data, sounds, jobs or os.cpu_count() or 1, names)
    plans = {name: sets_results.read_set_plans(name) for name in names}
    bank = yardstick.frozen_sounds(sounds, [sets_results.SETS[name].version for name in names])
    result = studies_successors.measure(splits, plans, new, old, bank)
    _save(result, "successors.json", studies_successors.table(result))


@app.command()
def ablations(
    sounds: Annotated[Path, typer.Option(help="The sounds that scenes, also the frozen ones, are made of.")],
    banks: Annotated[Path, typer.Option(help="Folder of the scenes to learn from.")] = Path("out/ablations/banks"),
    arms: Annotated[Path, typer.Option(help="Folder of the trained networks.")] = Path("out/ablations/arms"),
    data: Annotated[Path, typer.Option(help="Folder of the rendered frozen scenes.")] = Path("out/validation-v2"),
    names: Annotated[str | None, typer.Option("--only", help="Names of some arms, with commas; all.")] = None,
    every: Annotated[int, typer.Option(min=1, help="Of the scenes of validation-v2 one in so many is scored.")] = 1,
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Train short arms of SED-SCE without its parts, score them on the frozen scenes, and renew docs/training.md.

    What is trained or rendered already is not again; else it takes an hour.
    """
    from benchmarks.pages import ablations as pages_ablations
    from benchmarks.sets import results as sets_results
    from benchmarks.sets import yardstick
    from benchmarks.studies import ablations as studies_ablations

    chosen = studies_ablations.select_arms(names)
    studies_ablations.train_arms(chosen, sounds, banks, arms)
    sets = ("validation-v2", "validation-v2-pra")
    splits = sets_results.render_sets(data, sounds, jobs or os.cpu_count() or 1, sets)
    plans = {name: sets_results.read_set_plans(name) for name in sets}
    bank = yardstick.frozen_sounds(sounds, [yardstick.V2])
    result = studies_ablations.measure(splits, plans, chosen, arms, bank, {"validation-v2": every})
    _save(result, "ablations.json", studies_ablations.table(result))
    _renew(DOCS / "training.md", pages_ablations.tables(result), pages_ablations.BEGIN)


@app.command()
def cards() -> None:
    """Write the skill that `results` measured into the cards of the bundled checkpoints."""
    from benchmarks.pages import cards as pages_cards

    document = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))
    for card in pages_cards.renew_cards(document, CHECKPOINTS):
        print(f"written: {card}")


@app.command()
def eyes(
    sounds: Annotated[Path, typer.Option(help="The sounds that the frozen scenes are made of.")],
    sprites: Annotated[Path, typer.Option(help="The cut-outs that their pictures are made of.")],
    data: Annotated[Path, typer.Option(help="Folder of the rendered scenes.")] = Path("out/validation-v1"),
    backends: Annotated[str, typer.Option(help="Backends to score, as for seldfuse run.")] = "mvanet,sce,cmc,doa,sde",
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Render the frozen audio-visual scenes, show networks their own and other pictures, and renew docs/results.md."""
    from rich.markdown import Markdown

    from benchmarks.pages import eyes as pages_eyes
    from benchmarks.sets import results as sets_results
    from benchmarks.studies import eyes
    from seldfuse.catalogue.host import load_registry

    split = sets_results.render_audio_visual(data, sounds, sprites, jobs or os.cpu_count() or 1)
    result = eyes.measure(split, load_registry().find_backends(backends))
    text = pages_eyes.tables(result)
    _save(result, "eyes.json", Markdown(text))
    _renew(DOCS / "results.md", text, pages_eyes.BEGIN)


@app.command()
def post(
    sounds: Annotated[Path, typer.Option(help="The sounds that the frozen scenes are made of.")],
    sprites: Annotated[Path, typer.Option(help="The cut-outs that their pictures are made of.")],
    data: Annotated[Path, typer.Option(help="Folder of the rendered scenes.")] = Path("out/validation-v1"),
    detections: Annotated[Path, typer.Option("--seen", help="Folder of detections.")] = Path("out/post"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Correct the posteriors of the frozen audio-visual scenes by detections, and renew docs/results.md."""
    from rich.markdown import Markdown

    from benchmarks.pages import post as pages_post
    from benchmarks.sets import results as sets_results
    from benchmarks.sets import yardstick
    from benchmarks.studies import post
    from seldfuse.core.labels import DCASE2025
    from seldfuse.synth.pictures.cutout_set import load_cutouts

    split = sets_results.render_audio_visual(data, sounds, sprites, jobs or os.cpu_count() or 1)
    result = post.measure(
        split,
        yardstick.read_plans("audio-visual"),
        load_cutouts(sprites, DCASE2025, "held"),
        {"keypoint": "movenet", "gdino": "yolox"},
        detections,
        print,
    )
    text = pages_post.tables(result)
    _save(result, "post.json", Markdown(text))
    _renew(DOCS / "results.md", text, pages_post.BEGIN)


@app.command()
def looking(
    sounds: Annotated[Path, typer.Option(help="The sounds that the frozen scenes are made of.")],
    pictures: Annotated[Path, typer.Option(help="The cut-outs of people and things.")],
    backgrounds: Annotated[Path, typer.Option(help="The photos and panoramas of rooms.")],
    data: Annotated[Path, typer.Option(help="Folder of the rendered scenes.")] = Path("out/validation-v1"),
    detections: Annotated[Path, typer.Option("--seen", help="Folder of detections.")] = Path("out/looking"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Render the frozen scenes of real pictures, score what looking is worth there, and renew docs/results.md."""
    from rich.markdown import Markdown

    from benchmarks.pages import looking as pages_looking
    from benchmarks.sets import results as sets_results
    from benchmarks.sets import yardstick
    from benchmarks.studies import looking
    from seldfuse.core.labels import DCASE2025
    from seldfuse.synth.pictures.cutout_set import load_cutouts

    split = sets_results.render_real_pictures(data, sounds, pictures, backgrounds, jobs or os.cpu_count() or 1)
    plans = yardstick.read_plans("audio-visual", yardstick.V2_AV)
    result = looking.measure(split, plans, load_cutouts(pictures, DCASE2025, "held"), detections, print)
    text = pages_looking.tables(result)
    _save(result, "looking.json", Markdown(text))
    _renew(DOCS / "results.md", text, pages_looking.BEGIN)


@app.command()
def faults(
    sounds: Annotated[Path, typer.Option(help="The sounds, of which those held out are taken.")],
    sets: Annotated[int, typer.Option(min=1, help="Number of clean sets of our rooms.")] = 200,
    theirs: Annotated[int, typer.Option(min=0, help="Number of sets of pyroomacoustics' rooms.")] = 12,
    spoiled: Annotated[int, typer.Option(min=1, help="Number of sets of each kind in which faults are made.")] = 24,
) -> None:
    """Make faults in clean data sets, and count how often `seldfuse check` finds them by name."""
    from rich.markdown import Markdown

    from benchmarks.sets import fault_sets
    from benchmarks.studies import faults

    measured = {
        kind: faults.measure_rates(fault_sets.draw_sets(sounds, count, kind == "pyroomacoustics"), spoiled)
        for kind, count in (("our rooms", sets), ("pyroomacoustics", theirs))
        if count
    }
    result = {kind: asdict(rates) for kind, rates in measured.items()}
    _save(result, "faults.json", Markdown(faults.make_table(measured)))


@app.command()
def own_classes(
    sounds: Annotated[Path, typer.Option(help="The soundbank.")],
    work: Annotated[Path, typer.Option(help="Folder of the training.")] = Path("out/own-classes"),
    steps: Annotated[int, typer.Option(min=1, help="Number of steps.")] = 500,
) -> None:
    """Train three classes of one's own from the bundled sce, and score new and old ones on held-out groups."""
    from benchmarks.studies import own_classes

    result = own_classes.measure(sounds, work, steps, print)
    _save(result, "own-classes.json", json.dumps(result, indent=2))


@app.command()
def papers() -> None:
    """Renew the table of the papers' systems beside what was published, from what `results` and `post` measured."""
    from benchmarks.pages import papers as pages_papers

    audio, video = (json.loads((RESULTS / name).read_text(encoding="utf-8")) for name in ("results.json", "post.json"))
    _renew(DOCS / "results.md", pages_papers.tables(audio, video), pages_papers.BEGIN)


@app.command()
def post_fit(
    sounds: Annotated[Path, typer.Option(help="The sounds that the scenes are made of.")],
    pictures: Annotated[Path, typer.Option(help="The cut-outs of people and things.")],
    backgrounds: Annotated[Path, typer.Option(help="The photos and panoramas of rooms.")],
    data: Annotated[Path, typer.Option(help="Folder of the scenes to fit on.")] = Path("out/fit-av"),
    backends: Annotated[str, typer.Option(help="Backends to merge, as for seldfuse run.")] = "sce,mvanet",
    detections: Annotated[Path, typer.Option("--seen", help="Folder of detections.")] = Path("out/post-fit"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Fit the reliability of detectors on scenes of its own, and renew what ships fitted; takes a quarter of an hour.

    Scenes that are there are not rendered again, nor detectors run on them again.
    """
    from benchmarks.studies import post_fit
    from seldfuse.catalogue.host import load_registry
    from seldfuse.vision.settings import FITTED

    split = post_fit.render(data, sounds, pictures, backgrounds, jobs or os.cpu_count() or 1)
    requests = load_registry().find_backends(backends)
    settings = post_fit.fit_reliability(split, requests, pictures, "keypoint@movenet,gdino@yolox", detections, print)
    FITTED.write_text(f"# {ABOUT_VISION}\n{tomli_w.dumps(settings.to_json())}", encoding="utf-8")
    print(f"written: {FITTED}")


@app.command()
def tuning(
    sounds: Annotated[Path, typer.Option(help="The sounds that the scenes are made of.")],
    data: Annotated[Path, typer.Option(help="Folder of the frozen scenes.")] = Path("out/validation-v1"),
    fit: Annotated[Path, typer.Option(help="Folder of the scenes to fit on.")] = Path("out/fit"),
    backends: Annotated[str, typer.Option(help="Backends to merge, as for seldfuse run.")] = "doa,sde,sce",
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Tune fusion on scenes of its own, score it on the frozen ones, and renew docs/tuning.md and what ships fitted.

    Scenes that are there are not rendered again.
    """
    from rich.markdown import Markdown

    from benchmarks.pages import tuning as pages_tuning
    from benchmarks.sets import results as sets_results
    from benchmarks.studies import results as studies_results
    from benchmarks.studies import tuning

    requests = studies_results.select_backends(backends)
    processes = jobs or os.cpu_count() or 1
    frozen = sets_results.render_sets(data, sounds, processes)
    result, report = tuning.measure(tuning.render(fit, sounds, processes), frozen, requests, print)
    pages_tuning.write_pictures(report, IMAGES)
    text = pages_tuning.tables(result)
    _save(result, "tuning.json", Markdown(text))
    fitted = find_path(result["members"])
    about = ABOUT_TUNED.format(", ".join(result["members"]))
    fitted.write_text(f"# {about}\n{tomli_w.dumps(result['settings'])}", encoding="utf-8")
    _renew(DOCS / "tuning.md", text)


@app.command("fit")
def fit_all(
    sounds: Annotated[Path, typer.Option(help="The sounds that the scenes are made of.")],
    pictures: Annotated[Path, typer.Option(help="The cut-outs of people and things.")],
    backgrounds: Annotated[Path, typer.Option(help="The photos and panoramas of rooms.")],
    data: Annotated[Path, typer.Option(help="Folder of the scenes without pictures.")] = Path("out/fit"),
    videos: Annotated[Path, typer.Option(help="Folder of the scenes with pictures.")] = Path("out/fit-av"),
    detections: Annotated[Path, typer.Option("--seen", help="Folder of detections.")] = Path("out/post-fit"),
    jobs: Annotated[int | None, typer.Option(min=1, help="Number of processes; as many as processors.")] = None,
) -> None:
    """Fit all that ships fitted to the bundled checkpoints: fusion, events, vision, and the table of best ensembles.

    Takes the scenes of `tuning` and of `post-fit`; those that are there are not rendered again. Sets with a backend
    that uses pictures are fitted on scenes with pictures.
    """
    from benchmarks.pages import fit as pages_fit
    from benchmarks.studies import fit as studies_fit
    from benchmarks.studies import post_fit as studies_post_fit
    from benchmarks.studies import tuning as studies_tuning

    processes = jobs or os.cpu_count() or 1
    # First, for the choice of ensembles looks with it.
    post_fit(sounds, pictures, backgrounds, videos, detections=detections, jobs=processes)
    result = studies_fit.measure(
        studies_tuning.render(data, sounds, processes),
        studies_post_fit.render(videos, sounds, pictures, backgrounds, processes),
        detections / "fit",
        print,
    )
    _save(result, "fit.json", studies_fit.table(result))
    _renew(DOCS / "tuning.md", pages_fit.tables(result), pages_fit.BEGIN)


def _renew(page: Path, tables: str, mark: str | None = None) -> None:
    from benchmarks.pages import results as pages_results

    text = page.read_text(encoding="utf-8")
    page.write_text(pages_results.renew(text, tables, mark or pages_results.BEGIN), encoding="utf-8")
    print(f"written: {page}")


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """Measure everything, as the document that is written; `folder` takes the files that are timed on."""
    loaded = load_backends(",".join(BACKENDS), "cpu")
    clips = find_clips(write_clips(folder / "clips", cut_clips(BATCH)))
    run_seldfuse(clips, loaded, folder / "seldfuse", RunStats())
    # Before the baseline has had its turn, the peak is seldfuse's own.
    peak_memory_mib = peak_mib()
    timed = cases(folder, loaded)
    times = interleaved(timed, rounds)
    return to_document(timed, times, shares(clips, loaded, folder / "seldfuse", rounds), peak_memory_mib)


def peak_mib() -> float:
    """Read the most memory that this process has had resident so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def _save(result: dict[str, Any], name: str, shown: RenderableType) -> None:
    path = RESULTS / name
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    console = Console()
    console.print(shown)
    console.print(f"written: {path}")


if __name__ == "__main__":
    app()

"""Settings of every stage, each defined once.

The GUI forms, the YAML files, the command line, the docs and the saved recording are all made
from these models.
"""

from enum import StrEnum

from pydantic import Field

from napari_acll.core._settings_base import Settings, Switch
from napari_acll.core._source_settings import SourceSettings


class Pace(StrEnum):
    """How fast a finished recording is replayed."""

    MAX = "max"
    """As fast as the volumes are labeled."""
    RECORDED = "recorded"
    """At the recorded times."""


class Backend(StrEnum):
    """In which numbers a network computes, and whether its steps are recorded once."""

    AUTO = "auto"
    """The fastest on this machine that gives the same answer."""
    TORCH = "torch"
    """Single precision."""
    TORCH_BF16 = "torch-bf16"
    """bfloat16 in all but the last step."""
    TORCH_FP16 = "torch-fp16"
    """Half precision in all but the last step."""
    TORCH_GRAPH = "torch-graph"
    """Single precision, the steps recorded as a CUDA graph."""
    TORCH_BF16_GRAPH = "torch-bf16-graph"
    """bfloat16, the steps recorded."""
    TORCH_FP16_GRAPH = "torch-fp16-graph"
    """Half precision, the steps recorded."""

    @property
    def is_graph(self) -> bool:
        """Whether the steps are recorded as a CUDA graph, which only a GPU can."""
        return self.value.endswith("-graph")

    @property
    def in_precision(self) -> "Backend":
        """The same numbers without a recorded graph."""
        return Backend(self.value.removesuffix("-graph"))


class DropPolicy(StrEnum):
    """What happens when a volume arrives and the queue is full."""

    BLOCK = "block"
    """The reader waits: nothing is skipped. For replay."""
    DROP_OLDEST = "drop_oldest"
    """The oldest waiting volume is skipped, and counted. For a live microscope."""
    NEWEST = "newest"
    """Only the newest is labeled, all others that wait are skipped. For closed loops."""


class Backfill(Switch):
    """When volumes that were skipped are labeled after all."""

    OFF = "off"
    """Never; `acll resume` still can."""
    AT_END = "at_end"
    """When the recording has ended by itself."""
    IDLE = "idle"
    """As soon as no volume waits, and what is left at the end."""


class CropSettings(Settings):
    """The part of the stored frame that is used; stops are excluded, None means to the end."""

    z_start_px: int = Field(0, ge=0, description="First slice.")
    z_stop_px: int | None = Field(None, ge=1, description="First slice after the crop.")
    y_start_px: int = Field(0, ge=0, description="First row.")
    y_stop_px: int | None = Field(None, ge=1, description="First row after the crop.")
    x_start_px: int = Field(0, ge=0, description="First column.")
    x_stop_px: int | None = Field(None, ge=1, description="First column after the crop.")


class PreprocessSettings(Settings):
    """Crop, binning and background."""

    crop: CropSettings = Field(CropSettings(), description="In pixels of the recording as stored.")
    bin_px: int | None = Field(
        None,
        ge=1,
        le=16,
        description="Rows and columns that are summed into one; None: chosen"
        " so that a pixel comes closest to `target_pixel_um`.",
    )
    target_pixel_um: float = Field(
        0.54,
        gt=0,
        description="Lateral pixel size after binning, in um. 0.54 is what the"
        " original pipeline was trained at.",
    )


class AlignmentSettings(Settings):
    """Calibration of the channel alignment."""

    n_volumes: int = Field(
        5, ge=0, le=100, description="Usable volumes to calibrate on; 0: do not calibrate."
    )
    max_wait_volumes: int = Field(
        20,
        ge=1,
        le=200,
        description="Volumes after which the calibration ends with what it has;"
        " also the most volumes held in memory for it.",
    )
    max_shift_um: float = Field(
        8.5, gt=0, description="Largest shift that is searched, in um (about 15 px of 0.54 um)."
    )
    max_rotation_deg: float = Field(
        2.5, ge=0, le=10, description="Largest rotation that is searched, in degrees."
    )
    min_score: float = Field(
        0.25,
        ge=0,
        le=1,
        description="A calibration scoring lower is not trusted; unrelated channels score up"
        " to 0.16, aligned ones 0.4 and more.",
    )
    max_spread_px: float = Field(
        1.0,
        gt=0,
        description="A calibration whose volumes disagree by more binned pixels is not trusted.",
    )
    file: str | None = Field(
        None, description="An alignment file to apply instead of calibrating."
    )
    drift_every_volumes: int = Field(
        50, ge=0, description="Volumes from one measurement of the drift to the next; 0: none."
    )
    max_drift_um: float = Field(
        0.8, gt=0, description="Drift of the channels that is told, in um (1.5 px of 0.54 um)."
    )


class LabelSettings(Settings):
    """The model and where it runs."""

    model: str = Field(
        "default", description="Name of an installed model, or path of a checkpoint."
    )
    config_file: str | None = Field(
        None, description="YAML file of a pytorch-3dunet checkpoint; None: found beside it."
    )
    names_file: str | None = Field(
        None, description="Neuron names of a checkpoint (.txt, .csv, .h5); None: found beside it."
    )
    device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, or cuda:N."
    )
    backend: Backend = Field(
        Backend.AUTO,
        description="How the network computes: torch (single precision), torch-bf16 (bfloat16),"
        " torch-fp16 (half precision), each with -graph on a GPU to record its steps once; or"
        " auto, what a trial on this machine finds fastest and as good.",
    )
    max_memory_gb: float | None = Field(
        None,
        gt=0,
        description="Most memory, in GB, for networks that classify voxels, on the device that"
        " they run on; larger volumes are computed in blocks. None: what is free.",
    )
    min_probability: float = Field(
        0.75,
        ge=0.5,
        lt=1,
        description="Voxels less probable than this belong to no neuron, for"
        " networks that classify voxels (0.75 is the original's default).",
    )
    batch_size: int = Field(
        1, ge=1, le=8, description="Most volumes that are labeled at once when we are behind."
    )


class IdentitySettings(Settings):
    """Whether names are made consistent over time."""

    filter: str = Field(
        "evidence",
        description="Name of an installed identity filter: evidence follows nuclei and sums up"
        " what all volumes so far say of their names; none names each volume by itself.",
    )

    @property
    def is_used(self) -> bool:
        """Whether names depend on other volumes."""
        return self.filter != "none"


class TraceSettings(Settings):
    """How values are taken from labeled voxels."""

    estimator: str = Field(
        "engine",
        description="Name of an installed trace estimator: engine takes the light of neighbors"
        " apart, divides by a steadier marker and marks doubtful samples; ratio takes mean over"
        " mean of each mask; naive does so as the original program did, whatever the marker is.",
    )
    min_marker_counts: float = Field(
        1.0,
        gt=0,
        description="A neuron whose marker signal above background is lower has no"
        " ratio (a ratio over nothing is noise).",
    )
    corrects_light: bool = Field(
        True,
        description="Whether the engine takes out of the ratios what the light does to all"
        " neurons alike: steps of one laser, and bleaching of one channel.",
    )


class RunSettings(Settings):
    """The threads and the queue."""

    pace: Pace = Field(Pace.MAX, description="Speed of a replay.")
    drop_policy: DropPolicy = Field(
        DropPolicy.BLOCK,
        description="What happens when labeling falls behind: block (the reading waits, nothing"
        " is skipped; for a replay), drop_oldest (the oldest that waits is skipped; the default"
        " live), newest (all that wait but the newest are skipped; for closed loops).",
    )
    first_volume: int = Field(
        0, ge=0, description="Volume at which a replay begins; those before it are not reached."
    )
    queue_capacity: int = Field(
        8, ge=1, le=64, description="Volumes that may wait for labeling (8 are 4.8 s at 0.6 s)."
    )
    backfill: Backfill = Field(
        Backfill.AT_END,
        description="When skipped volumes are labeled after all, where the recording still has"
        " them: off, at_end, or idle (as soon as none waits). What was decided live stays.",
    )
    save_labels: bool = Field(True, description="Keep the label map of every volume.")
    max_failures: int | None = Field(
        None,
        ge=0,
        le=1000,
        description="Volumes in a row on which the model or another stage may fail before the"
        " session ends; None: 5 live, 0 in a replay, which can be repeated.",
    )
    disk_wait_s: float | None = Field(
        None,
        ge=0,
        description="How long a session folder that cannot be written is tried again, in s, while"
        " results wait in memory; None: 600 live, 0 in a replay.",
    )
    spool_mb: int = Field(
        1024,
        ge=1,
        description="Memory for results that wait for the session folder, in MB; when it is full"
        " the label maps are given up first.",
    )
    fallback_folder: str | None = Field(
        None,
        description="Where the session goes on if its own folder cannot be written, best on"
        " another disk; None: it waits.",
    )
    degrades_when_late: bool = Field(
        True,
        description="Do less when labeling falls behind a live microscope, step by step, and all"
        " of it again when it keeps up.",
    )
    waits_for_disk: bool = Field(
        False,
        description="Wait after every volume until the disk has it: then a power cut, too, loses"
        " no more than the volume in flight. Not for the disk that the microscope writes to.",
    )


class PublishMode(Switch):
    """Whether samples are published."""

    AUTO = "auto"
    """If what it needs is installed and the address is free; else the session goes without."""
    ON = "on"
    """Always; a session that cannot publish does not start."""
    OFF = "off"
    """Never."""


class PublishSettings(Settings):
    """Sending each sample to other programs, as soon as it is traced."""

    mode: PublishMode = Field(
        PublishMode.AUTO,
        description="Whether samples are published; auto: if the extra `zmq` is installed and"
        " nobody else uses the address.",
    )
    publisher: str = Field("zmq", description="Name of an installed publisher.")
    address: str = Field(
        "tcp://127.0.0.1:5571",
        pattern=r"^tcp://[^:/\s]+:(\d{1,5}|\*)$",
        description="Where other programs get them, tcp://HOST:PORT; 127.0.0.1 is reached from"
        " this computer only, * in its place from all others.",
    )


class MarkSettings(Settings):
    """Marks of behavior and stimuli, kept beside the traces and on their clock."""

    channels: tuple[str, ...] = Field(
        (),
        description="Where marks come from: tcp://HOST:PORT (ZeroMQ), serial:COM3@115200, or a"
        " CSV file that may grow.",
    )


class AnimalInfo(Settings):
    """What the experimenter notes about the animal."""

    animal: str = Field("", description="Identifier of the animal.")
    strain: str = Field("", description="Strain.")
    condition: str = Field("", description="Condition.")
    notes: str = Field("", description="Anything else.")


class AcllSettings(Settings):
    """All settings of one session."""

    source: SourceSettings = SourceSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    alignment: AlignmentSettings = AlignmentSettings()
    label: LabelSettings = LabelSettings()
    identity: IdentitySettings = IdentitySettings()
    trace: TraceSettings = TraceSettings()
    run: RunSettings = RunSettings()
    publish: PublishSettings = PublishSettings()
    marks: MarkSettings = MarkSettings()
    animal: AnimalInfo = AnimalInfo()

"""Sound and pictures of any file that FFmpeg reads, on one clock whose zero is the container's start."""

from seldfuse.media.container import MediaInfo, probe
from seldfuse.media.picture import FileFrames
from seldfuse.media.sound import FileAudio

__all__ = ["FileAudio", "FileFrames", "MediaInfo", "probe"]

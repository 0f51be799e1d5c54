"""The doctor: finds what is wrong with the noise of any network, and of the loop around it.

A network and an input, or a training loop, come in; a report goes out. Nothing is trained, and
nothing is replaced: it looks through torch's own modes and hooks.
"""

from dropexp.doctor.examine import diagnose
from dropexp.doctor.report import DoctorReport, Finding, NoiseSite
from dropexp.doctor.watching import LoopReport, watch_modes

__all__ = ["DoctorReport", "Finding", "LoopReport", "NoiseSite", "diagnose", "watch_modes"]

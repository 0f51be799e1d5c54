"""The configs of a search's runs, each composed once: Hydra is slow."""

from collections.abc import Callable, Sequence

from dropexp.config.run_config import RunConfig
from dropexp.sweep.tuning.candidates import Candidate
from dropexp.sweep.tuning.space import TuneRequest

_AT_ONCE = 8
"""Seeds that are composed together, which takes little longer than one."""


class Configs:
    """Returns the config of a setting, of none beside it, and of none beside all settings."""

    def __init__(self, request: TuneRequest) -> None:
        self._request = request
        self._composed: dict[tuple[str, Candidate | None, int], RunConfig] = {}

    def setting(self, candidate: Candidate, seed: int) -> RunConfig:
        """Return the config of a setting."""
        return self._get(
            ("setting", candidate, seed), lambda seeds: self._request.compose(candidate, seeds)
        )

    def baseline(self, candidate: Candidate, seed: int) -> RunConfig:
        """Return the config of none with everything else equal to a setting."""
        return self._get(
            ("baseline", candidate, seed),
            lambda seeds: self._request.compose_baseline(candidate, seeds),
        )

    def reference(self, seed: int) -> RunConfig:
        """Return the config of none with the defaults of all keys that vary."""
        return self._get(("reference", None, seed), self._request.compose_reference)

    def _get(
        self,
        key: tuple[str, Candidate | None, int],
        compose: Callable[[Sequence[int]], Sequence[RunConfig]],
    ) -> RunConfig:
        if key not in self._composed:
            role, candidate, seed = key
            for config in compose(range(seed, seed + _AT_ONCE)):
                self._composed[role, candidate, config.seed] = config
        return self._composed[key]

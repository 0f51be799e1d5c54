from hypothesis import settings

# How long an example takes says nothing here, on a machine that runs tests side by side.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

"""What all tests share: how hypothesis runs."""

from hypothesis import settings

# How long an example takes says more about what else the machine does than about the code.
settings.register_profile(
    "telegauge", settings.get_profile(settings.get_current_profile_name()), deadline=None
)
settings.load_profile("telegauge")

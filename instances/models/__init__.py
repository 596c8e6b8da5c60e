"""Applications, their instances, the keys that these sign with and what happens to them."""

from instances.models.applications import Application
from instances.models.events import BY_ITSELF, Event, of_exclusion
from instances.models.instances import Instance, said
from instances.models.keys import PublicKey
from instances.models.upkeep import Job, RateBucket, SpentBody, TurnedAway

__all__ = [
    "BY_ITSELF",
    "Application",
    "Event",
    "Instance",
    "Job",
    "PublicKey",
    "RateBucket",
    "SpentBody",
    "TurnedAway",
    "of_exclusion",
    "said",
]

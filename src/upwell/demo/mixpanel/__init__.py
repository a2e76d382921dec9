"""A fake Mixpanel project with an export to read, over real HTTP.

Written from the published contract of `GET /api/2.0/export` (its OpenAPI description, MIT) and from
what programs that read it report of it: the quotas, bodies that end in `export terminated early`,
records split over lines, repeated events, events of phones that come days late. It knows nothing of
how Upwell reads.
"""

from upwell.demo.mixpanel.api import FakeMixpanel, Whims
from upwell.demo.mixpanel.packed import Packed
from upwell.demo.mixpanel.project import Generated, Project, Recorded
from upwell.demo.mixpanel.served import serve

__all__ = ["FakeMixpanel", "Generated", "Packed", "Project", "Recorded", "Whims", "serve"]

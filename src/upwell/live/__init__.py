"""Who watches what: an open page moves when events arrive.

`picture` says what a commit moves on a question (pure), `frames` how that is written, `hub` who is
told, how often, and what happens to those who read too slowly.
"""

from upwell.live.connection import Connection
from upwell.live.frames import Backfill, Status
from upwell.live.hub import Hub, Pace
from upwell.live.watch import Watch

__all__ = ["Backfill", "Connection", "Hub", "Pace", "Status", "Watch"]

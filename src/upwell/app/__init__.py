"""The only place where parts are chosen and joined: the house, its commands, and the server."""

from upwell.app.commands import Commands
from upwell.app.house import House, house
from upwell.app.server import Running, run, serve

__all__ = ["Commands", "House", "Running", "house", "run", "serve"]

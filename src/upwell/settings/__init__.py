"""The configuration: one TOML file, the environment over it, a sentence for every key."""

from upwell.settings.check import Names, duration, mistakes
from upwell.settings.load import ConfigError, load, secret
from upwell.settings.reference import export, reference
from upwell.settings.schema import (
    Activation,
    Alert,
    Channel,
    Ga4Source,
    Goal,
    MixpanelSource,
    OwnMetric,
    Product,
    Report,
    Server,
    Settings,
    Smtp,
    Source,
    SqlQuery,
    SqlSource,
    StripeSource,
    Warehouse,
    Workspace,
)

__all__ = [
    "Activation",
    "Alert",
    "Channel",
    "ConfigError",
    "Ga4Source",
    "Goal",
    "MixpanelSource",
    "Names",
    "OwnMetric",
    "Product",
    "Report",
    "Server",
    "Settings",
    "Smtp",
    "Source",
    "SqlQuery",
    "SqlSource",
    "StripeSource",
    "Warehouse",
    "Workspace",
    "duration",
    "export",
    "load",
    "mistakes",
    "reference",
    "secret",
]

"""The configuration file: read, checked as a whole, frozen.

`load` and `parse` return `Settings` or raise `SettingsError`, which holds everything that is wrong, each with
its line. `cautions` tells what is legal and may still surprise. `starter` gives a first configuration.
"""

from sluicegate.settings.asking import Ask, AskTls
from sluicegate.settings.cautions import cautions
from sluicegate.settings.crosschecks import sum_of_allocations
from sluicegate.settings.databases import Database
from sluicegate.settings.dispatching import (
    Backpressure,
    Circuit,
    Codes,
    Csp,
    DeliveryTls,
    Dispatch,
    DispatchTls,
    Retention,
    Retry,
    RouteSources,
    UserClass,
    UserDelivery,
    UserTeam,
)
from sluicegate.settings.fields import Address, Network, Upstream, subject_form
from sluicegate.settings.files import check_files
from sluicegate.settings.model import (
    ROLES,
    Admin,
    Capacity,
    Gateway,
    Limits,
    Record,
    Responses,
    Role,
    Settings,
    Timeouts,
    Tls,
    UpstreamTls,
    User,
    UserId,
)
from sluicegate.settings.operating import AccountApi, AccountTls, History, Operations, Profiles
from sluicegate.settings.patterns import patterns_of
from sluicegate.settings.problems import Problem, SettingsError
from sluicegate.settings.profiles import ProfileFile, check_profile, load_profile, parse_profile
from sluicegate.settings.reading import load, parse
from sluicegate.settings.relay_reading import load_relay, parse_relay, relay_starter
from sluicegate.settings.relaying import Callback, Demand, GatewayTls, Relay, RelayClass
from sluicegate.settings.signing_in import OpenIdProvider, OpenIdRole, SignIn
from sluicegate.settings.starter import starter

__all__ = [
    "ROLES",
    "AccountApi",
    "AccountTls",
    "Address",
    "Admin",
    "Ask",
    "AskTls",
    "Backpressure",
    "Callback",
    "Capacity",
    "Circuit",
    "Codes",
    "Csp",
    "Database",
    "DeliveryTls",
    "Demand",
    "Dispatch",
    "DispatchTls",
    "Gateway",
    "GatewayTls",
    "History",
    "Limits",
    "Network",
    "OpenIdProvider",
    "OpenIdRole",
    "Operations",
    "Problem",
    "ProfileFile",
    "Profiles",
    "Record",
    "Relay",
    "RelayClass",
    "Responses",
    "Retention",
    "Retry",
    "Role",
    "RouteSources",
    "Settings",
    "SettingsError",
    "SignIn",
    "Timeouts",
    "Tls",
    "Upstream",
    "UpstreamTls",
    "User",
    "UserClass",
    "UserDelivery",
    "UserId",
    "UserTeam",
    "cautions",
    "check_files",
    "check_profile",
    "load",
    "load_profile",
    "load_relay",
    "parse",
    "parse_profile",
    "parse_relay",
    "patterns_of",
    "relay_starter",
    "starter",
    "subject_form",
    "sum_of_allocations",
]

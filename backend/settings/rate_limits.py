"""Settings of rate limits: a budget each, as `NUMBER/PERIOD`."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import BaseSettings

from backend.settings.types import Rate


class RateLimitSettings(BaseSettings):
    """Rate limits, and where their counts are kept; docs/configuration.md says of whom each is."""

    rate_limit_enabled: bool = True
    rate_limit_storage: str = Field("memory://", pattern=r"^(memory|redis|rediss)://")
    rate_limit_trade: Rate = "10/minute"
    rate_limit_amend: Rate = "60/minute"
    rate_limit_brake: Rate = "60/minute"
    rate_limit_config: Rate = "60/minute"
    rate_limit_query: Rate = "100/minute"
    rate_limit_login: Rate = "5/minute"
    rate_limit_refresh: Rate = "10/minute"
    rate_limit_account: Rate = "10/minute"
    rate_limit_account_hour: Rate = "60/hour"
    rate_limit_all_logins: Rate = "100/minute"
    rate_limit_site: Rate = "20/minute"
    rate_limit_known_login: Rate = "10/minute"
    rate_limit_new_network: Rate = "3/hour"
    rate_limit_account_new_networks: Rate = "120/hour"
    rate_limit_all_new_networks: Rate = "600/hour"
    rate_limit_proof: Rate = "10/minute"
    rate_limit_address: Rate = "1000/minute"
    rate_limit_health: Rate = "600/minute"

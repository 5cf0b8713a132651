"""OctoBot's user folder: written from the settings, or provided by the user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import octobot.constants as octobot_constants
import octobot_commons.configuration as commons_configuration
import octobot_commons.constants as commons_constants

from backend.bridge.octobot.in_memory_keys import InMemoryKeysConfiguration
from backend.settings.model import Settings

PROFILE_ID = "backend"
_STAMP = "backend-settings.json"
_QUOTES_FIRST = ("USDT", "USDC", "USD", "EUR", "BTC")


def prepare_folder(settings: Settings) -> Path:
    """Return the bot's folder, complete enough to boot from.

    A folder of the user (one with a config of its own) is not changed. One that we wrote is
    rewritten when its settings changed, so that a later PATCH /config lasts until then.
    """
    folder = settings.home / "octobot"
    user = folder / commons_constants.USER_FOLDER
    stamp = user / _STAMP
    wanted = _profile_config(settings)
    if is_adopted(settings) or (
        (user / commons_constants.CONFIG_FILE).exists()
        and json.loads(stamp.read_text("utf-8")) == wanted
    ):
        return folder
    profile = user / "profiles" / PROFILE_ID
    profile.mkdir(parents=True, exist_ok=True)
    write_json(profile / commons_constants.PROFILE_CONFIG_FILE, _profile(wanted))
    write_json(profile / commons_constants.CONFIG_TENTACLES_FILE, _NO_TENTACLES)
    path = user / commons_constants.CONFIG_FILE
    write_json(path, _user_config(settings, _known_exchanges(path)))
    write_json(stamp, wanted)
    return folder


def is_adopted(settings: Settings) -> bool:
    """Return whether the bot's folder is the user's own."""
    user = settings.home / "octobot" / commons_constants.USER_FOLDER
    return (user / commons_constants.CONFIG_FILE).exists() and not (user / _STAMP).exists()


def read_configuration(settings: Settings) -> InMemoryKeysConfiguration:
    """Read the folder's configuration; the working directory is the folder.

    Paper or real, spot or futures is decided by the settings alone, whatever the
    profile says: real money is only used when the settings say so.
    """
    configuration = InMemoryKeysConfiguration(
        commons_configuration.get_user_config(),
        commons_constants.USER_PROFILES_FOLDER,
        octobot_constants.CONFIG_FILE_SCHEMA,
        octobot_constants.PROFILE_FILE_SCHEMA,
    )
    configuration.read()
    _apply_trading_setting(configuration.config, settings)
    return configuration


def _apply_trading_setting(config: dict[str, Any], settings: Settings) -> None:
    """Enable the trader or its simulator, never both; set one type of trading for all exchanges."""
    real = settings.trading == "real"
    config[commons_constants.CONFIG_TRADER][commons_constants.CONFIG_ENABLED_OPTION] = real
    config[commons_constants.CONFIG_SIMULATOR][commons_constants.CONFIG_ENABLED_OPTION] = not real
    for exchange in config[commons_constants.CONFIG_EXCHANGES].values():
        exchange[commons_constants.CONFIG_EXCHANGE_TYPE] = settings.exchange_type


def reference_market(settings: Settings) -> str:
    """Return the asset that accounts are valued in: the commonest quote of the symbols."""
    quotes = [symbol.split("/")[1].split(":")[0] for symbol in settings.symbols]
    return max(
        quotes,
        key=lambda quote: (quotes.count(quote), quote in _QUOTES_FIRST, -quotes.index(quote)),
    )


def _profile_config(settings: Settings) -> dict[str, Any]:
    currencies: dict[str, dict[str, Any]] = {}
    for symbol in settings.symbols:
        base = symbol.split("/")[0]
        currencies.setdefault(base, {"enabled": True, "pairs": []})["pairs"].append(symbol)
    return {
        "crypto-currencies": currencies,
        "exchanges": {
            name: {"enabled": True, "exchange-type": settings.exchange_type}
            for name in settings.exchange
        },
        "trader": {"enabled": settings.trading == "real", "load-trade-history": True},
        "trader-simulator": {
            "enabled": settings.trading == "paper",
            "fees": {"maker": 0.1, "taker": 0.1},
            "starting-portfolio": {
                asset: float(amount) for asset, amount in settings.paper_balance.items()
            },
        },
        "trading": {"reference-market": reference_market(settings), "risk": 0.5},
    }


def _profile(config: dict[str, Any]) -> dict[str, Any]:
    return {
        "profile": {
            "id": PROFILE_ID,
            "name": "Backend",
            "description": "Written by octobot-backend from its settings.",
            "avatar": "default_profile.png",
            "complexity": 1,
            "risk": 1,
            "read_only": False,
            "imported": False,
            "origin_url": "",
        },
        "config": config,
    }


def _known_exchanges(path: Path) -> dict[str, Any]:
    """Return the exchanges of the folder's earlier config: their keys are the user's."""
    if not path.exists():
        return {}
    exchanges = json.loads(path.read_text("utf-8")).get("exchanges")
    return exchanges if isinstance(exchanges, dict) else {}


def _user_config(settings: Settings, known: dict[str, Any]) -> dict[str, Any]:
    return {
        "accepted_terms": True,
        "backtesting": {"files": []},
        "exchanges": {
            name: known.get(name, {"api-key": "", "api-secret": "", "sandboxed": False})
            for name in settings.exchange
        },
        "metrics": {"enabled": settings.octobot_community},
        "notification": {
            "global-info": False,
            "price-alerts": False,
            "trades": False,
            "notification-type": [],
        },
        "profile": PROFILE_ID,
        "services": {},
    }


_NO_TENTACLES: dict[str, Any] = {
    "tentacle_activation": {
        kind: {} for kind in ("Backtesting", "Evaluator", "Meta", "Services", "Trading")
    },
    "registered_tentacles": {},
    "installation_context": {"octobot_version": octobot_constants.LONG_VERSION},
}


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replace a file atomically, readable by its owner only."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2), "utf-8")
    temporary.chmod(0o600)
    temporary.replace(path)

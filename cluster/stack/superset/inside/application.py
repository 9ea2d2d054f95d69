"""Superset's application for its web server. Runs in Superset's environment, never in the product's.

Kept in a folder of its own: that folder is on the server's path, and nothing else there may be.
"""

from __future__ import annotations

from pathlib import Path

import superset
from flask import Flask
from flask_migrate import upgrade
from superset.app import create_app


def make() -> Flask:
    """The application, its database as this version wants it and every account of the configuration there.

    Each step may be repeated: whoever was stopped in one begins again.
    """
    app = create_app()
    with app.app_context():
        upgrade(directory=str(Path(superset.__file__).parent / "migrations"))
        from superset import appbuilder, security_manager

        missing = {name: roles for name, roles in app.config["ACCOUNTS"].items() if not _known(name)}
        if missing:
            appbuilder.add_permissions(update_perms=True)
            security_manager.sync_role_definitions()
        for name, (password, roles) in missing.items():
            held = [security_manager.find_role(role) for role in roles]
            mail = f"{name}@localhost"
            if not security_manager.add_user(name, name, "account", mail, held, password=password):
                raise RuntimeError(f"the account {name} cannot be made")
    return app


def _known(name: str) -> bool:
    from superset import security_manager

    return security_manager.find_user(name) is not None

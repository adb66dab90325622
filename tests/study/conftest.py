from planted_ensemble import models_fixture, store_fixture  # noqa: F401

"""Training: models, Lightning module and data modules."""

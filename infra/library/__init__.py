"""The log through the interfaces of `eventsourcing`: for importers, policies, and whoever knows that library."""

-- Who may do what in the schema yewu: given again after all migrations, whichever of them made or remade a thing. Nothing
-- is for everybody. To take a right away is the business of a migration: older code that runs beside may need it.
-- A process that may do more than stands here does not start.
GRANT USAGE ON SCHEMA yewu TO yewu_app, yewu_projector, yewu_auditor;

-- The application: writes by calling functions, and reads what it needs to decide.
GRANT SELECT ON yewu.log, yewu.head, yewu.answer, yewu.rebuild, yewu.build_request, yewu.retry_request, yewu.policy,
                yewu.relay
   TO yewu_app;
GRANT EXECUTE ON FUNCTION yewu.append, yewu.request_build, yewu.request_retry, yewu.policy_position, yewu.move_policy
   TO yewu_app;

-- The projector and the builder: read the log, say how far they are, and answer requests.
GRANT SELECT ON yewu.log, yewu.head TO yewu_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON yewu.rebuild, yewu.build_request TO yewu_projector;
GRANT SELECT, DELETE ON yewu.retry_request TO yewu_projector;
GRANT EXECUTE ON FUNCTION yewu.forget_answers TO yewu_projector;

-- The relay is one more that reads the log and says how far it is.
GRANT SELECT ON yewu.store TO yewu_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON yewu.topic, yewu.relay TO yewu_projector;
GRANT SELECT, DELETE ON yewu.republish TO yewu_projector;

-- Auditors, and whoever makes a backup.
GRANT SELECT ON yewu.log, yewu.event, yewu.head, yewu.store, yewu.topic, yewu.relay TO yewu_auditor;

-- Run once by the container of PostgreSQL, on an empty volume: the logins of the processes, each with its own password.
-- What they may do is the business of infra/migrations/0005_roles.sql.
\getenv migrator YEWU_MIGRATOR_PASSWORD
\getenv app YEWU_APP_PASSWORD
\getenv projector YEWU_PROJECTOR_PASSWORD
\getenv auditor YEWU_AUDITOR_PASSWORD
CREATE ROLE yewu_migrator NOINHERIT LOGIN PASSWORD :'migrator';
CREATE ROLE yewu_app NOINHERIT LOGIN PASSWORD :'app';
CREATE ROLE yewu_projector NOINHERIT LOGIN PASSWORD :'projector';
CREATE ROLE yewu_auditor NOINHERIT LOGIN PASSWORD :'auditor';

-- The roles; what they may do stands in rights.sql. Roles belong to the whole server: another database of it may have made
-- them. Only a superuser can apply this migration; from here on `yewu_migrator` suffices, and whatever follows is done in
-- the owner's name.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['yewu_owner', 'yewu_migrator', 'yewu_app', 'yewu_projector', 'yewu_reader',
                                'yewu_auditor'] LOOP
        CONTINUE WHEN to_regrole(name) IS NOT NULL;
        BEGIN
            EXECUTE format('CREATE ROLE %I NOINHERIT %s', name, CASE name WHEN 'yewu_owner' THEN '' ELSE 'LOGIN' END);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;                               -- another database made it a moment ago
        END;
    END LOOP;
    IF NOT pg_has_role('yewu_migrator', 'yewu_owner', 'MEMBER') THEN
        GRANT yewu_owner TO yewu_migrator;      -- it has to say SET ROLE: nothing happens in the owner's name unsaid
    END IF;
END $$;

-- Give a schema with all that is in it to another owner. A read model's `place` comes first, as everybody locks it first.
CREATE PROCEDURE yewu.hand_over(schema_name text, owner text) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    thing text;
BEGIN
    FOR thing IN SELECT format('TABLE %s', c.oid::regclass) FROM pg_class c
                  WHERE c.relnamespace = schema_name::regnamespace AND c.relkind IN ('r', 'v', 'p', 'm')
                  ORDER BY c.relname <> 'place', c.relname LOOP
        EXECUTE format('ALTER %s OWNER TO %I', thing, owner);
    END LOOP;
    FOR thing IN SELECT format('ROUTINE %s', p.oid::regprocedure) FROM pg_proc p
                  WHERE p.pronamespace = schema_name::regnamespace LOOP
        EXECUTE format('ALTER %s OWNER TO %I', thing, owner);
    END LOOP;
    EXECUTE format('ALTER SCHEMA %I OWNER TO %I', schema_name, owner);
END $$;

-- Read models that older code made under another role become the projector's, who may then drop them.
CREATE PROCEDURE yewu.adopt_read_models() LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name text;
BEGIN
    FOR name IN SELECT nspname FROM pg_namespace
                 WHERE starts_with(nspname, 'rm_') AND nspowner <> 'yewu_projector'::regrole LOOP
        CALL yewu.hand_over(name, 'yewu_projector');
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO yewu_app, yewu_reader, yewu_auditor', name);
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO yewu_app, yewu_reader, yewu_auditor', name);
        EXECUTE format('REVOKE ALL ON ALL ROUTINES IN SCHEMA %I FROM PUBLIC', name);
    END LOOP;
END $$;

CALL yewu.adopt_read_models();
CALL yewu.hand_over('yewu', 'yewu_owner');
ALTER TABLE public.yewu_migration OWNER TO yewu_owner;

REVOKE ALL ON ALL ROUTINES IN SCHEMA yewu FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE yewu_owner, yewu_projector REVOKE EXECUTE ON ROUTINES FROM PUBLIC;

-- What the projector makes from now on.
ALTER DEFAULT PRIVILEGES FOR ROLE yewu_projector GRANT USAGE ON SCHEMAS TO yewu_app, yewu_reader, yewu_auditor;
ALTER DEFAULT PRIVILEGES FOR ROLE yewu_projector GRANT SELECT ON TABLES TO yewu_app, yewu_reader, yewu_auditor;

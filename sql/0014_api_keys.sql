create table api_keys (
  key_id text not null,
  name text not null,
  secret_hash bytea not null,
  roles text[] not null,
  customer text,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  replaced_at timestamptz,
  revoked_at timestamptz,
  changed bigint not null,
  constraint api_keys_pk primary key (key_id),
  constraint api_keys_name_form check (name ~ '^[A-Za-z0-9._-]{1,64}$'),
  constraint api_keys_hash_whole check (length(secret_hash) = 32),
  constraint api_keys_roles_known check (
    cardinality(roles) > 0 and roles <@ array['checkout', 'inventory', 'operator', 'viewer']
  ),
  constraint api_keys_customer_checks_out check (customer is null or roles = array['checkout'])
);
-- A name has one key at a time; beside it, for the overlap, those that it has replaced.
create unique index api_keys_one_live on api_keys (name) where revoked_at is null and replaced_at is null;
create unique index api_keys_by_change on api_keys (changed);
comment on table api_keys is
  'Who may call: only a hash of each secret. Writers lock the table, so the greatest "changed" tells of every change.';

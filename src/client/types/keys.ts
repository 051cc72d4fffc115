// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

export type KeysCalls = {
  /** Make an API key. */
  "POST /v1/keys": {
    body: {
      /** Who calls with it, in logs and histories. */
      name: string;
      roles: Array<"checkout" | "inventory" | "operator" | "viewer">;
      /** Who buys, in your words. */
      customerId?: string | undefined;
      /** How long it lives; without it, for ever. */
      expiresInSeconds?: number | undefined;
    };
    answer: {
      /** Not secret. */
      keyId: string;
      /** Who calls with it, in logs and histories. */
      name: string;
      roles: Array<"checkout" | "inventory" | "operator" | "viewer">;
      /** The only customer it may act for. Null: for all. */
      customerId: string | null;
      createdAt: string;
      /** Null: never. */
      expiresAt: string | null;
      /** When a rotation put a new one beside it. */
      replacedAt: string | null;
      /** When somebody ended it. */
      revokedAt: string | null;
      /**
       * What its holder sends as bearer token. It is shown this once: the same request again has
       * null here, with `Idempotent-Replayed: true`. Whoever has lost it rotates it.
       */
      key: string | null;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** All API keys there are or were, newest first. */
  "GET /v1/keys": {
    answer: {
      items: Array<{
        /** Not secret. */
        keyId: string;
        /** Who calls with it, in logs and histories. */
        name: string;
        roles: Array<"checkout" | "inventory" | "operator" | "viewer">;
        /** The only customer it may act for. Null: for all. */
        customerId: string | null;
        createdAt: string;
        /** Null: never. */
        expiresAt: string | null;
        /** When a rotation put a new one beside it. */
        replacedAt: string | null;
        /** When somebody ended it. */
        revokedAt: string | null;
      }>;
    };
  };
  /** Put a new API key in the place of one. */
  "POST /v1/keys/{id}:rotate": {
    body: {
      /** How long the old one goes on; 0 ends it at once. */
      overlapSeconds?: number | undefined;
    };
    answer: {
      /** Not secret. */
      keyId: string;
      /** Who calls with it, in logs and histories. */
      name: string;
      roles: Array<"checkout" | "inventory" | "operator" | "viewer">;
      /** The only customer it may act for. Null: for all. */
      customerId: string | null;
      createdAt: string;
      /** Null: never. */
      expiresAt: string | null;
      /** When a rotation put a new one beside it. */
      replacedAt: string | null;
      /** When somebody ended it. */
      revokedAt: string | null;
      /**
       * What its holder sends as bearer token. It is shown this once: the same request again has
       * null here, with `Idempotent-Replayed: true`. Whoever has lost it rotates it.
       */
      key: string | null;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
  /** End an API key. */
  "DELETE /v1/keys/{id}": {
    answer: {
      /** Not secret. */
      keyId: string;
      /** Who calls with it, in logs and histories. */
      name: string;
      revokedAt: string;
      /** With `Prefer: wait` only. */
      recorded?: boolean;
    };
  };
};

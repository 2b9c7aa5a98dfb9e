"""PURE: tables of reviews and of the audit trail, and what keeps that trail as it is.

`audit` takes rows and gives none: triggers refuse every change, and the removal of all but what
`audit_begin` says is over. Retention moves that mark, which never goes back, and only then removes.
"""

from typing import Final

from pointsman.ledger.contract import Dialect

REVIEWS: Final = (
    """
    CREATE TABLE reviews (
        id TEXT PRIMARY KEY, request_hash TEXT NOT NULL, mode TEXT NOT NULL, stage TEXT NOT NULL,
        rank {int} NOT NULL, place_ms {int} NOT NULL, priority TEXT NOT NULL, reason TEXT NOT NULL,
        policy TEXT NOT NULL, revision TEXT NOT NULL, rule TEXT NOT NULL, caller TEXT NOT NULL,
        team TEXT NOT NULL, backend TEXT NOT NULL, model TEXT NOT NULL, operation TEXT NOT NULL,
        stream {flag} NOT NULL, asynchronous {flag} NOT NULL, cut {flag} NOT NULL,
        fallback {flag} NOT NULL, context TEXT NOT NULL, created_ms {int} NOT NULL,
        deadline_ms {int} NOT NULL, until_ms {int} NOT NULL,
        state TEXT NOT NULL, claimed_by TEXT NOT NULL, claimed_until_ms {int} NOT NULL,
        decided_by TEXT NOT NULL, ended_ms {int} NOT NULL, message TEXT NOT NULL,
        delivered_ms {int} NOT NULL, taken_by TEXT NOT NULL, taken_until_ms {int} NOT NULL
    )
    """,
    "CREATE INDEX reviews_place ON reviews (rank, place_ms, id)",
    "CREATE INDEX reviews_state ON reviews (state, rank, place_ms, id)",
    "CREATE INDEX reviews_policy ON reviews (policy, rank, place_ms, id)",
    "CREATE INDEX reviews_same ON reviews (caller, policy, request_hash)",
    "CREATE INDEX reviews_due ON reviews (deadline_ms) WHERE rank < 3 AND deadline_ms > 0",
    "CREATE INDEX reviews_until ON reviews (until_ms)",
    """
    CREATE TABLE review_texts (
        id TEXT PRIMARY KEY, until_ms {int} NOT NULL,
        request TEXT NOT NULL, answer TEXT NOT NULL, edited TEXT NOT NULL, ran TEXT NOT NULL
    )
    """,
    "CREATE INDEX review_texts_until ON review_texts (until_ms)",
    """
    CREATE TABLE review_webhooks (
        id TEXT PRIMARY KEY, review TEXT NOT NULL, name TEXT NOT NULL, url TEXT NOT NULL,
        body TEXT NOT NULL, tries {int} NOT NULL, due_ms {int} NOT NULL, until_ms {int} NOT NULL
    )
    """,
    "CREATE INDEX review_webhooks_due ON review_webhooks (due_ms)",
    "CREATE INDEX review_webhooks_until ON review_webhooks (until_ms)",
    "ALTER TABLE feedback ADD COLUMN source TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE pending ADD COLUMN source TEXT NOT NULL DEFAULT ''",
    """
    CREATE TABLE audit (
        seq {int} PRIMARY KEY, at_ms {int} NOT NULL, actor TEXT NOT NULL, role TEXT NOT NULL,
        action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT NOT NULL, hash TEXT NOT NULL
    )
    """,
    "CREATE INDEX audit_at ON audit (at_ms)",
    "CREATE INDEX audit_subject ON audit (subject, seq)",
    """
    CREATE TABLE audit_begin (
        one {int} PRIMARY KEY CHECK (one = 1), seq {int} NOT NULL, hash TEXT NOT NULL
    )
    """,
    "INSERT INTO audit_begin VALUES (1, 0, '')",
)
REVIEWS_BACK: Final = (
    "DROP TABLE audit_begin", "DROP TABLE audit",
    "ALTER TABLE pending DROP COLUMN source", "ALTER TABLE feedback DROP COLUMN source",
    "DROP TABLE review_webhooks", "DROP TABLE review_texts", "DROP TABLE reviews",
)  # fmt: skip

GUARD: Final[dict[Dialect, tuple[str, ...]]] = {
    "sqlite": (
        """
        CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit trail is never changed'); END
        """,
        """
        CREATE TRIGGER audit_kept BEFORE DELETE ON audit
        WHEN OLD.seq > (SELECT seq FROM audit_begin)
        BEGIN SELECT RAISE(ABORT, 'the audit trail is kept until retention says so'); END
        """,
        """
        CREATE TRIGGER audit_begin_grows BEFORE UPDATE ON audit_begin
        WHEN NEW.seq < OLD.seq OR NOT EXISTS
            (SELECT 1 FROM audit WHERE seq = NEW.seq AND hash = NEW.hash)
        BEGIN SELECT RAISE(ABORT, 'the audit trail begins at one of its rows, and never goes back');
        END
        """,
        """
        CREATE TRIGGER audit_begin_stays BEFORE DELETE ON audit_begin
        BEGIN SELECT RAISE(ABORT, 'the audit trail has a beginning'); END
        """,
    ),
    "postgres": (
        """
        CREATE FUNCTION pointsman_audit_unchanged() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'the audit trail is never changed'; END $$
        """,
        """
        CREATE FUNCTION pointsman_audit_kept() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.seq > (SELECT seq FROM audit_begin) THEN
                RAISE EXCEPTION 'the audit trail is kept until retention says so';
            END IF;
            RETURN OLD;
        END $$
        """,
        """
        CREATE FUNCTION pointsman_audit_begin_grows() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.seq < OLD.seq OR NOT EXISTS
                (SELECT 1 FROM audit WHERE seq = NEW.seq AND hash = NEW.hash) THEN
                RAISE EXCEPTION 'the audit trail begins at one of its rows, and never goes back';
            END IF;
            RETURN NEW;
        END $$
        """,
        """
        CREATE TRIGGER audit_unchanged BEFORE UPDATE ON audit
        FOR EACH ROW EXECUTE FUNCTION pointsman_audit_unchanged()
        """,
        """
        CREATE TRIGGER audit_whole BEFORE TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION pointsman_audit_unchanged()
        """,
        """
        CREATE TRIGGER audit_kept BEFORE DELETE ON audit
        FOR EACH ROW EXECUTE FUNCTION pointsman_audit_kept()
        """,
        """
        CREATE TRIGGER audit_begin_grows BEFORE UPDATE ON audit_begin
        FOR EACH ROW EXECUTE FUNCTION pointsman_audit_begin_grows()
        """,
        """
        CREATE TRIGGER audit_begin_stays BEFORE DELETE OR TRUNCATE ON audit_begin
        FOR EACH STATEMENT EXECUTE FUNCTION pointsman_audit_unchanged()
        """,
    ),
}
GUARD_BACK: Final[dict[Dialect, tuple[str, ...]]] = {
    "sqlite": (
        "DROP TRIGGER audit_begin_stays", "DROP TRIGGER audit_begin_grows",
        "DROP TRIGGER audit_kept", "DROP TRIGGER audit_unchanged",
    ),
    "postgres": (
        "DROP TRIGGER audit_begin_stays ON audit_begin",
        "DROP TRIGGER audit_begin_grows ON audit_begin",
        "DROP TRIGGER audit_kept ON audit", "DROP TRIGGER audit_whole ON audit",
        "DROP TRIGGER audit_unchanged ON audit",
        "DROP FUNCTION pointsman_audit_begin_grows", "DROP FUNCTION pointsman_audit_kept",
        "DROP FUNCTION pointsman_audit_unchanged",
    ),
}  # fmt: skip
